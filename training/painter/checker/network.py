"""The classifier: a small convolutional network that names a picture's attributes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from training.painter.palette import COLOURS, HAIR
from training.painter.scene import FOLK, SETTINGS, SUBJECTS, TIMES, Scene

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "colour": tuple(COLOURS),
    "setting": SETTINGS,
    "time": TIMES,
    "folk": ("nobody", *FOLK),
    "hair": ("nobody", *HAIR),
}


class Checker(nn.Module):
    """Names the attributes of pictures; it looks at them in half their size."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer, stride in ((3, 24, 2), (24, 32, 1), (32, 48, 2), (48, 64, 2), (64, 64, 2)):
            layers += [nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(64 * 16, sum(len(values) for values in ATTRIBUTES.values()))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the scores of each attribute's values, for pictures of shape (batch, 3, 128, 128) from -1 to 1."""
        small = F.avg_pool2d(pictures, 2)
        scores: Tensor = self.head(self.features(small).flatten(1))
        return list(torch.split(scores, [len(values) for values in ATTRIBUTES.values()], dim=1))

    @torch.no_grad()
    def name(self, pictures: Tensor) -> list[dict[str, str]]:
        """Return the most likely value of each attribute, for each picture."""
        chosen = [scores.argmax(dim=1).tolist() for scores in self(pictures)]
        names = [
            [values[number] for number in column] for values, column in zip(ATTRIBUTES.values(), chosen, strict=True)
        ]
        return [dict(zip(ATTRIBUTES, row, strict=True)) for row in zip(*names, strict=True)]


def attributes_of(scene: Scene) -> dict[str, str]:
    """Return what a perfect checker would say of a scene's picture."""
    person = scene.person
    return {
        "subject": scene.subject,
        "colour": scene.colour,
        "setting": scene.setting,
        "time": scene.time,
        "folk": person.folk if person else "nobody",
        "hair": person.hair if person else "nobody",
    }


def to_labels(scenes: Sequence[Scene]) -> Tensor:
    """Return the numbers of the scenes' values, a column for each attribute."""
    rows = [[ATTRIBUTES[name].index(value) for name, value in attributes_of(scene).items()] for scene in scenes]
    return torch.tensor(rows)
