"""Measures how often the painter paints what it was asked for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from training.painter.checker.network import Checker
from training.painter.checker.prompts import Prompt, write_prompts
from training.painter.checker.train import load_checker, to_tensor
from training.painter.export import load_pipelines
from training.painter.sampling import paint


@dataclass(slots=True)
class Score:
    """How often an attribute was right: in all, and for each wanted value of it and each subject."""

    right: int = 0
    asked: int = 0
    by_value: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def add(self, value: str, *, right: bool) -> None:
        """Count one picture."""
        self.asked += 1
        self.right += right
        self.by_value[value][0] += right
        self.by_value[value][1] += 1

    @property
    def share(self) -> float:
        """The share that was right."""
        return self.right / max(1, self.asked)


def judge(checker: Checker, prompts: Sequence[Prompt], pictures: Sequence[Image.Image]) -> dict[str, Score]:
    """Return the score of each attribute."""
    scores: dict[str, Score] = defaultdict(Score)
    seen = checker.name(to_tensor(list(pictures)))
    for prompt, named in zip(prompts, seen, strict=True):
        for attribute, value in prompt.wanted.items():
            scores[attribute].add(value, right=named[attribute] == value)
    return dict(scores)


def measure(folder: Path, checker_file: Path, *, count: int = 200, refined: bool, seed: int = 2) -> dict[str, Score]:
    """Paint prompts of unseen wordings and judge the pictures."""
    base, refiner = load_pipelines(folder)
    prompts = write_prompts(count)
    pictures = paint(base, refiner if refined else None, [prompt.text for prompt in prompts], seed)
    return judge(load_checker(checker_file), prompts, pictures)


def report(scores: dict[str, Score]) -> Iterable[str]:
    """Return lines for people: each attribute, then what is right of each of its values."""
    for attribute, score in scores.items():
        yield f"{attribute}: {score.right} of {score.asked} ({score.share:.1%})"
        yield "  " + ", ".join(f"{value} {right}/{asked}" for value, (right, asked) in sorted(score.by_value.items()))
