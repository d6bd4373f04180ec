"""The port through which the character's stages reach whoever looks at an uploaded picture.

Two implementations stand beside it: `prompted_reader` (prompts and a `VisionModel`) and `measured_reader` (the bundled
looker, which measures and sees no meaning). Stages know this port only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.character.domain import Looks


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found in a picture.

    Attributes:
        reader: Who looked: "looker/1" or the model's id.
        text: All of it, in sentences.
        facts: The same piece by piece: what was looked for ("colours", "light"), and what was found, in that order.
        lacks: What a reader of another kind would have found beside it, as a sentence; empty where nothing is lacking.
    """

    reader: str
    text: str
    facts: tuple[tuple[str, str], ...]
    lacks: str = ""


class PictureReader(Protocol):
    """Looks at one picture at a time; holds no state between calls."""

    @property
    def name(self) -> str:
        """Who looks, as every result says."""
        ...

    async def analyse(self, picture: bytes) -> Analysis:
        """Say what there is to see.

        Args:
            picture: An encoded picture (PNG, JPEG or WebP), upright, without metadata, already found to be sound.

        Raises:
            ModelOutputInvalid: the model behind it says nothing of use.
            BackendFailed: the model did not do its work.
        """
        ...

    async def extract(self, picture: bytes, analysis: Analysis) -> Looks:
        """Put what was found into words for a character; nothing is added that was not seen. Errors as above."""
        ...
