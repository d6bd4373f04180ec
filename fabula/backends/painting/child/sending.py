"""Sends each member of a batch its share after each step: state, and what a preview is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from fabula.backends.host.hosted import Work
from fabula.backends.image import Batch
from fabula.backends.painting.child.memory import NotStorable, Pictures
from fabula.backends.painting.child.starting import Start
from fabula.backends.painting.child.torch_tensors import to_raw
from fabula.backends.painting.child.windows import Window, changes
from fabula.backends.painting.requests import DenoiseRequest, StepItem
from fabula.backends.painting.state import StateHeader
from fabula.backends.painting.tensor_file import pack
from fabula.errors import ModelOutputInvalid


@dataclass(frozen=True, slots=True)
class Plan:
    """How a part is denoised.

    Attributes:
        scheduler: Held to the window.
        window: Which timesteps are left to do.
        steps: Steps of the part in all.
        fingerprint: The model's, for states.
        resumes: Whether one can go on in the middle under this scheduler.
    """

    scheduler: Any
    window: Window
    steps: int
    fingerprint: str
    resumes: bool


class Sender:
    """Looks at one batch after each step.

    Args:
        work: Where the output goes.
        request: Whose it is.
        start: What the batch began with.
        plan: How it is denoised.
        make_preview: From estimates of finished latents to what a preview is made from.
    """

    def __init__(
        self,
        work: Work,
        request: DenoiseRequest,
        start: Start,
        plan: Plan,
        make_preview: Callable[[torch.Tensor], bytes],
    ) -> None:
        self._work = work
        self.request = request
        self._start = start
        self.plan = plan
        self._make_preview = make_preview
        self._resumes = plan.resumes
        self._failed: set[int] = set()

    def after_step(self, _: Any, index: int, __: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Send what there is after a step; what pipelines call."""
        self._work.check()
        done = self._start.done + index + 1
        latents: torch.Tensor = given["latents"]
        pictures = self._pictures(latents, is_last=done == self.plan.steps)
        for member in range(len(self.request.members)):
            if member not in self._failed:
                self._send(member, done, latents, pictures)
        return given

    def fail(self, member: int, code: str, message: str) -> None:
        """Tell one member that nothing comes of it; the others go on undisturbed."""
        self._failed.add(member)
        self._work.emit({"member": member, "failed": code, "message": message})

    def _pictures(self, latents: torch.Tensor, *, is_last: bool) -> Pictures:
        if self._resumes and not is_last:
            try:
                return Pictures(latents, changes(self.plan.scheduler), self._start.size)
            except NotStorable:
                self._resumes = False
        return Pictures(latents, {}, self._start.size)

    def _send(self, member: int, done: int, latents: torch.Tensor, pictures: Pictures) -> None:
        first = self._start.slots[member]
        rows = slice(first, first + self._start.counts[member])
        if not torch.isfinite(pictures.latents[rows]).all():
            self.fail(member, ModelOutputInvalid.code, not_a_number(done))
            return
        preview = b""
        interval = self.request.members[member].preview_interval
        if interval and (self._start.before[member] + done) % interval == 0:
            finished = self.plan.window.finished
            preview = self._make_preview((latents if finished is None else finished)[rows])
        state = self._state(member, done, rows, pictures)
        item = StepItem(member, done, self.plan.steps, first, self._start.size, state, preview)
        self._work.emit(*item.to_wire())

    def _state(self, member: int, done: int, rows: slice, pictures: Pictures) -> bytes:
        tensors, words = pictures.share(rows)
        for place, generator in enumerate(self._start.generators[rows]):
            tensors[f"generator{place}"] = to_raw(generator.get_state())
        header = StateHeader(
            part=self.request.terms.part,
            done=done,
            steps=self.plan.steps,
            before=self._start.before[member],
            batch=Batch(self._start.size, rows.start),
            count=self._start.counts[member],
            spec=self.request.members[member].spec,
            fingerprint=self.plan.fingerprint,
            scheduler=words,
            resumes=self._resumes,
        )
        return pack(tensors, header.to_json())


def not_a_number(done: int) -> str:
    """Say that nothing comes of a picture after so many steps."""
    return f"After step {done} the picture is not a number any more; try float32, or another seed or guidance."
