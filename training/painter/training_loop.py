"""The loop that all stages share: a plan of time or steps, an average of the weights, and checkpoints to go on from.

Each step draws its chance from the seed and its own number, so a training that was broken off goes on exactly as if it
had not been.
"""

import copy
import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from training.painter.optimizer import MuonWithAdamW
from training.painter.workers import Workers

SAVE_EVERY_SECONDS = 120.0
REPORT_EVERY_STEPS = 50


class Stage(Protocol):
    """What a stage brings to the loop."""

    modules: nn.Module
    optimizer: MuonWithAdamW

    def loss(self, lot: random.Random, step: int) -> Tensor:
        """Return the loss of a fresh batch; chance comes from `lot` and from torch's own generator."""


@dataclass(slots=True)
class Plan:
    """How long a stage trains, and how much of it is done.

    Attributes:
        amount: seconds, or steps if `in_steps`.
        in_steps: what `amount` counts.
        done: in the same unit.
        warm_up_steps: the learning rate rises over so many.
        decay_share: the last part of the plan, over which the learning rate falls to nearly nothing.
    """

    amount: float
    in_steps: bool = False
    done: float = 0.0
    warm_up_steps: int = 100
    decay_share: float = 0.3

    def factor(self, steps_of_plan: int) -> float:
        """Return the learning rate's factor."""
        progress = min(1.0, self.done / self.amount)
        falling = max(0.0, (progress - (1 - self.decay_share)) / self.decay_share)
        return min(1.0, (steps_of_plan + 1) / self.warm_up_steps) * max(0.02, 1 - falling)

    @property
    def finished(self) -> bool:
        """Whether the plan is fulfilled."""
        return self.done >= self.amount


class Loop:
    """Trains a stage and keeps its checkpoint.

    Args:
        stage: what is trained.
        checkpoint: the file; loaded at once if it exists.
        plan: what to do; an unfinished plan of the same size in the checkpoint is continued instead.
        ema: the average keeps this share of itself at each step.
        seed: of all chance.
        workers: how many processes share a step; each takes a batch of its own.
    """

    def __init__(
        self, stage: Stage, checkpoint: Path, plan: Plan, *, ema: float = 0.999, seed: int = 0, workers: int = 1
    ) -> None:
        self.stage = stage
        self.average = copy.deepcopy(stage.modules).requires_grad_(requires_grad=False)
        self.step = 0
        self._checkpoint = checkpoint
        self._plan = plan
        self._plan_start = 0
        self._ema = ema
        self._stopped = False
        if checkpoint.exists():
            self._load()
        self._workers = Workers(stage, seed, workers)

    def run(self, say: Callable[[str], None] = print) -> None:
        """Train until the plan is fulfilled or SIGTERM arrives; the state is saved in both cases."""
        previous = signal.signal(signal.SIGTERM, self._stop)
        try:
            with self._workers.at_work():
                self._train(say)
        finally:
            signal.signal(signal.SIGTERM, previous)
            self._save()

    def _train(self, say: Callable[[str], None]) -> None:
        saved = reported = time.monotonic()
        total, count = 0.0, 0
        while not self._plan.finished and not self._stopped:
            started = time.monotonic()
            loss = self._workers.gradients(self.step)
            self.stage.optimizer.step(self._plan.factor(self.step - self._plan_start))
            self._blend()
            self.step += 1
            now = time.monotonic()
            self._plan.done += 1 if self._plan.in_steps else now - started
            total, count = total + loss, count + 1
            if count == REPORT_EVERY_STEPS:
                share = self._plan.done / self._plan.amount
                say(f"step {self.step}  loss {total / count:.4f}  {count / (now - reported):.2f} steps/s  {share:.0%}")
                total, count, reported = 0.0, 0, now
            if now - saved > SAVE_EVERY_SECONDS:
                self._save()
                saved = time.monotonic()

    @torch.no_grad()
    def _blend(self) -> None:
        # A young average follows quickly, so that it forgets the untrained weights.
        keep = min(self._ema, (1 + self.step) / (10 + self.step))
        ours: list[Tensor] = list(self.average.parameters())
        theirs: list[Tensor] = list(self.stage.modules.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - keep)
        for kept, new in zip(self.average.buffers(), self.stage.modules.buffers(), strict=True):
            kept.copy_(new)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True

    def _save(self) -> None:
        self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "weights": self.stage.modules.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.stage.optimizer.state_dict(),
            "step": self.step,
            "plan": asdict(self._plan),
            "plan_start": self._plan_start,
        }
        fresh = self._checkpoint.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(self._checkpoint)

    def _load(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True)
        self.stage.modules.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self.stage.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        old = Plan(**state["plan"])
        if not old.finished and (old.amount, old.in_steps) == (self._plan.amount, self._plan.in_steps):
            self._plan, self._plan_start = old, state["plan_start"]
        else:
            self._plan_start = self.step


def average_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a stage's checkpoint."""
    weights: dict[str, Tensor] = torch.load(checkpoint, weights_only=True)["average"]
    return weights
