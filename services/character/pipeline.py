"""The stages of a character: which there are, and in which order.

read the picture → look at it → put that into words (all three only where there is a picture) → decide who it is → tell
its history → put it into the library → have an avatar painted, if one is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fabula.engine.pipeline import Outputs, Stage
from services.character.bounds import HISTORY_WORDS
from services.character.results import ANALYSE, AVATAR, CREATE, DETAILS, EXTRACT, HISTORY, UPLOAD
from services.character.sheet import Order
from services.character.stages import Tools, Work

_LIGHT = 1.0
"""Weight of a stage that makes nothing up, in words written."""

_LOOKING, _WORDING, _DECIDING = 60.0, 30.0, 120.0
"""Weights of the stages that do, likewise."""


@dataclass(frozen=True, slots=True)
class CharacterPipeline:
    """Plans the run of one order. Implements `fabula.engine.pipeline.Pipeline`.

    Attributes:
        tools: What all orders are worked at with.
    """

    tools: Tools

    @property
    def model(self) -> str:
        """Who makes characters up, by name."""
        return self.tools.maker.name

    def plan(self, request: object, _outputs: Outputs) -> Sequence[Stage]:
        """Return the stages of a run: the request alone says which there are."""
        if not isinstance(request, Order):
            raise TypeError("the character pipeline works on orders")
        work = Work(self.tools, request)
        stages: list[Stage] = []
        if request.picture is not None:
            stages += [
                Stage(UPLOAD, work.upload, weight=_LIGHT, message="Reading the picture"),
                Stage(ANALYSE, work.analyse, weight=_LOOKING, message="Looking at the picture"),
                Stage(EXTRACT, work.extract, weight=_WORDING, message="Putting the picture into words"),
            ]
        stages += [
            Stage(DETAILS, work.details, weight=_DECIDING, message="Deciding who it is"),
            Stage(
                HISTORY,
                work.history,
                weight=HISTORY_WORDS,
                message="Telling where it comes from",
                units=HISTORY_WORDS,
                continues=self.tools.maker.continues,
            ),
            Stage(CREATE, work.create, weight=_LIGHT, message="Putting the character into the library"),
        ]
        if request.generate_avatar:
            stages.append(Stage(AVATAR, work.queue_avatar, weight=_LIGHT, message="Asking for an avatar"))
        return stages
