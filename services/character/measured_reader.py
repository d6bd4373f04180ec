"""Reads a picture by the bundled looker: what is measured in it, and nothing else. Implements `reader.PictureReader`.

It cannot tell who or what is to be seen, and says so; a character made from its words has the picture's colours.
"""

from __future__ import annotations

import asyncio

from fabula.backends.looker import LACKS, NAME, look
from services.character.domain import Looks
from services.character.reader import Analysis


class MeasuredReader:
    """Measures pictures, each in some tens of milliseconds of a thread."""

    @property
    def name(self) -> str:
        """The looker's name."""
        return NAME

    async def analyse(self, picture: bytes) -> Analysis:
        """Say what was measured: colours, light, surface and layout.

        Raises:
            InvalidRequest: the picture cannot be read.
        """
        found = await asyncio.to_thread(look, picture)
        return Analysis(reader=NAME, text=found.text, facts=found.facts, lacks=LACKS)

    async def extract(self, picture: bytes, analysis: Analysis) -> Looks:  # noqa: ARG002 - it is cheap to measure again
        """Give the main area's colours for a description, and how the picture is made for a style; errors as above."""
        found = await asyncio.to_thread(look, picture)
        return Looks(physical_description=found.subject, visual_style=found.style)
