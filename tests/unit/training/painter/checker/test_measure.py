import random

import torch
from PIL import Image

from training.painter.checker.measure import judge, report
from training.painter.checker.network import ATTRIBUTES, Checker, attributes_of, to_labels
from training.painter.checker.prompts import Prompt
from training.painter.checker.train import spoil
from training.painter.renderer import render
from training.painter.scene import draw_scene


class Stubborn(Checker):
    """Sees a red castle on a hill by day in every picture."""

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Return scores that are highest for the first value of each attribute."""
        return [torch.arange(len(values), 0, -1.0).expand(len(pictures), -1) for values in ATTRIBUTES.values()]


def test_judge_counts_what_is_right() -> None:
    """Each wanted attribute counts for itself, in all and by its value."""
    prompts = [Prompt("one", {"subject": "castle", "time": "day"}), Prompt("two", {"subject": "ship", "time": "day"})]
    scores = judge(Stubborn(), prompts, [Image.new("RGB", (128, 128))] * 2)

    assert (1, 2) == (scores["subject"].right, scores["subject"].asked)
    assert 1.0 == scores["time"].share
    assert ["subject: 1 of 2 (50.0%)", "  castle 1/1, ship 0/1"] == list(report(scores))[:2]


def test_labels_are_what_the_scene_shows() -> None:
    """The checker learns the scene's own attributes."""
    scene = draw_scene(random.Random(1))
    named = {name: values[row] for (name, values), row in zip(ATTRIBUTES.items(), to_labels([scene])[0], strict=True)}

    assert attributes_of(scene) == named


def test_spoiled_pictures_keep_their_size() -> None:
    """Whatever is done to a picture, it stays a picture of 128 by 128."""
    lot = random.Random(5)
    for _ in range(50):
        spoiled = spoil(render(draw_scene(lot)), lot)
        assert ((128, 128), "RGB") == (spoiled.size, spoiled.mode)
