import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.painter.dataset import draw_scenes
from training.painter.denoisers import DenoiserStage
from training.painter.optimizer import MuonWithAdamW
from training.painter.training_loop import Loop, Plan, average_weights


class Slope:
    """A stage small enough to be trained in an instant."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.modules: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.optimizer = MuonWithAdamW(self.modules, 1e-2, 1e-2)

    def loss(self, lot: random.Random, step: int) -> Tensor:
        """Return how badly three numbers are added."""
        inputs = torch.randn(16, 3) + lot.random()
        loss: Tensor = (self.modules(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean()
        return loss


def silent(_line: str) -> None:
    """Say nothing."""


def toy_denoiser() -> DenoiserStage:
    """Return the real base on latents that are only noise."""
    torch.manual_seed(2)
    return DenoiserStage(torch.randn(8, 4, 16, 16), draw_scenes(8, 1), batch=2)


def test_resumed_stage_has_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    """A denoiser that is stopped and continued ends with exactly the weights of one that was not."""
    Loop(toy_denoiser(), tmp_path / "whole.pt", Plan(4, in_steps=True, warm_up_steps=1)).run(silent)
    broken_off = Loop(toy_denoiser(), tmp_path / "parts.pt", Plan(4, in_steps=True, warm_up_steps=1))
    broken_off.stage = StoppingAfter(broken_off, steps=2)
    broken_off._workers._stage = broken_off.stage
    broken_off.run(silent)
    assert 2 == broken_off.step
    Loop(toy_denoiser(), tmp_path / "parts.pt", Plan(4, in_steps=True, warm_up_steps=1)).run(silent)

    whole, parts = average_weights(tmp_path / "whole.pt"), average_weights(tmp_path / "parts.pt")
    assert whole.keys() == parts.keys()
    assert not [name for name in whole if not torch.equal(whole[name], parts[name])]


class StoppingAfter:
    """Passes everything on to a loop's stage, and asks the loop to stop as SIGTERM would."""

    def __init__(self, loop: Loop, steps: int) -> None:
        self._loop, self._inner, self._left = loop, loop.stage, steps
        self.modules, self.optimizer = loop.stage.modules, loop.stage.optimizer

    def loss(self, lot: random.Random, step: int) -> Tensor:
        """Return the loss, and count down."""
        self._left -= 1
        if self._left == 0:
            self._loop._stop(15, None)
        return self._inner.loss(lot, step)


def test_two_workers_average_their_gradients(tmp_path: Path) -> None:
    """With a helper the step follows the mean of both batches' gradients, and the helper sees each step's weights."""
    plan = Plan(3, in_steps=True, warm_up_steps=1)
    Loop(Slope(), tmp_path / "two.pt", plan, workers=2).run(silent)
    by_hand = Slope()
    for step in range(3):
        for rank in (0, 1):
            number = step * 64 + rank
            torch.manual_seed(number)
            (by_hand.loss(random.Random(number), step) / 2).backward()  # type: ignore[no-untyped-call]  # torch
        by_hand.optimizer.step(Plan(3, in_steps=True, done=step, warm_up_steps=1).factor(step))

    trained = torch.load(tmp_path / "two.pt", weights_only=True)["weights"]
    for name, weight in by_hand.modules.state_dict().items():
        assert torch.allclose(weight, trained[name], atol=1e-6)


def test_plan_of_another_size_starts_anew(tmp_path: Path) -> None:
    """A finished training is continued by asking for more."""
    file = tmp_path / "slope.pt"
    Loop(Slope(), file, Plan(5, in_steps=True)).run(silent)
    more = Loop(Slope(), file, Plan(3, in_steps=True))
    more.run(silent)

    assert 8 == more.step


@pytest.mark.parametrize(("done", "factor"), [(0, 1.0), (60, 1.0), (85, 0.5), (100, 0.02)])
def test_learning_rate_falls_at_the_end(done: float, factor: float) -> None:
    """It is flat first, and falls in a straight line over the last part of the plan."""
    assert factor == pytest.approx(Plan(100, done=done, warm_up_steps=1).factor(500))
