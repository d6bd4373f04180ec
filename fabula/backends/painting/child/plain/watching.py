"""Follows one call of a pipeline, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from fabula.backends.host.hosted import Work
from fabula.backends.painting.child.sending import not_a_number
from fabula.backends.painting.requests import Member, StepItem
from fabula.errors import ModelOutputInvalid


@dataclass(slots=True)
class Watcher:
    """Counts the steps of a call, and tells of each as soon as another is sure to follow.

    The last one is told of by `finish`, with the pictures: the call decodes them before it returns.

    Attributes:
        work: Where the output goes.
        index: Which member of the request this is.
        member: The same.
        pipe: The pipeline.
        channels: Of latents that a preview can be made from; 0: of none.
        make_preview: From latents to what a preview is made from.
        done: Steps that are done.
        steps: Steps in all, as far as is known; 0 before the first.
    """

    work: Work
    index: int
    member: Member
    pipe: Any
    channels: int
    make_preview: Callable[[torch.Tensor], bytes]
    done: int = 0
    steps: int = 0
    _untold: bytes | None = field(default=None)

    def arguments(self, callback: str) -> dict[str, Any]:
        """Return what makes a pipeline tell of its steps, by the name of its callback."""
        if callback == "callback":
            return {"callback": lambda _, __, latents: self._count(latents), "callback_steps": 1}
        # Of what a first model makes for the one that paints nothing is told, but it can be interrupted.
        return {"callback_on_step_end": self._after_step, "prior_callback_on_step_end": self._interrupt}

    def finish(self, state: bytes) -> None:
        """Tell of the last step."""
        self.done = self.steps
        self._tell(self.done, state)

    def foresee(self) -> int:
        """Return how many steps there will be in all, now that the call has begun."""
        counted = getattr(self.pipe, "num_timesteps", None)
        if not isinstance(counted, int) or counted < 1:
            scheduler = getattr(self.pipe, "scheduler", None)
            counted = -(-len(getattr(scheduler, "timesteps", ())) // getattr(scheduler, "order", 1))
        return counted

    def _after_step(self, _: Any, __: int, ___: Any, given: dict[str, Any]) -> dict[str, Any]:
        self._count(given.get("latents"))
        return given

    def _interrupt(self, _: Any, __: int, ___: Any, given: dict[str, Any]) -> dict[str, Any]:
        self.work.check()
        return given

    def _count(self, latents: Any) -> None:
        self.work.check()
        self.steps = max(self.steps or self.foresee(), self.done + 1)
        if self._untold is not None:  # what looked like the last step was none
            self._tell(self.done)
        self.done += 1
        if isinstance(latents, torch.Tensor) and not torch.isfinite(latents).all():
            raise ModelOutputInvalid(not_a_number(self.done))
        self._untold = self._preview(latents)
        if self.done < self.steps:
            self._tell(self.done)

    def _preview(self, latents: Any) -> bytes:
        interval = self.member.preview_interval
        is_picture = isinstance(latents, torch.Tensor) and latents.ndim == 4 and latents.shape[1] == self.channels
        return self.make_preview(latents) if interval and self.done % interval == 0 and is_picture else b""

    def _tell(self, done: int, state: bytes = b"") -> None:
        preview, self._untold = self._untold or b"", None
        item = StepItem(self.index, done, self.steps, 0, len(self.member.seeds), state, preview)
        self.work.emit(*item.to_wire())
