"""What a stage at work has before it: the `StageContext` that turns what it does into events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from fabula.engine.events import (
    Advanced,
    Body,
    LogLevel,
    LogLine,
    Preview,
    StageRestarted,
    TextDelta,
)
from fabula.engine.history import StageView
from fabula.engine.meter import Meter
from fabula.engine.pipeline import Stage
from fabula.engine.ports import Address, Blobs, Entry, Previews
from fabula.errors import FabulaError

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Desk:
    """One stage at work. Implements `StageContext`.

    Attributes:
        stage: The stage.
        address: Whose work it is.
        blobs: Bytes beside the log.
        timings: Working time of the finished stages in seconds, by name.
        meter: The run's progress.
        emit: Appends an event with the progress that holds now.
        show: Replaces the preview of a picture.
        clock: The meter's clock.
        is_cancelled: Whether the user has asked to cancel.
        resumed: Whether the stage was at work before, and has not begun again since.
        trace_id: W3C trace id of the call that the work is part of; empty where nobody traces.
    """

    stage: Stage
    address: Address
    blobs: Blobs
    timings: Mapping[str, float]
    meter: Meter
    emit: Callable[[Body], None]
    show: Callable[[Preview], None]
    clock: Callable[[], float] = time.monotonic
    is_cancelled: Callable[[], bool] = lambda: False
    resumed: bool = False
    trace_id: str = ""
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0

    def take_up(self, view: StageView) -> None:
        """Go on from what the log has of this stage."""
        self._pieces, self._length = [view.text], len(view.text)

    @property
    def cancelled(self) -> bool:
        """Whether the user has asked to cancel."""
        return self.is_cancelled()

    @property
    def written(self) -> str:
        """The text this stage has written and not voided."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def text(self, piece: str, *, step: int | None = None) -> None:
        """Write on."""
        if not piece:
            return
        if step is not None:
            self.meter.advance(step, None, "")
        self.emit(TextDelta(self.stage.name, self._length, piece))
        self._pieces.append(piece)
        self._length += len(piece)

    def advance(
        self, step: int | None = None, steps: int | None = None, message: str = "", *, each: bool = False
    ) -> None:
        """Say how far the stage is."""
        self.meter.advance(step, steps, message)
        self.emit(Advanced(self.stage.name, step, steps, message, each))

    def agents(self, *names: str) -> None:
        """Say who is at work from now on."""
        self.meter.agents(names)
        self.emit(Advanced(self.stage.name))

    def preview(self, image: bytes, media_type: str, *, step: int = 0, index: int = 0) -> None:
        """Show a preview."""
        self.show(Preview(image, media_type, step, index))

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        """Leave a line for people."""
        self.emit(LogLine(message, level))

    def restart(self, reason: str) -> None:
        """Declare void what this stage has written."""
        self._pieces, self._length = [], 0
        self.resumed = False
        self.meter.begin(self.stage, self.clock())
        self.emit(StageRestarted(self.stage.name, reason))


class PreviewSender:
    """Publishes the newest preview of each picture off the stage's path; what a slow store did not take is replaced.

    Args:
        previews: Where they go.
        address: Whose previews they are.
    """

    def __init__(self, previews: Previews, address: Address) -> None:
        self._previews = previews
        self._address = address
        self._newest: dict[int, Entry] = {}
        self._wake = asyncio.Event()

    def show(self, entry: Entry) -> None:
        """Replace the preview in this entry's place. Never waits."""
        self._newest[entry.place] = entry
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._newest:
                await self._publish(self._newest.pop(next(iter(self._newest))))

    async def _publish(self, entry: Entry) -> None:
        """Publish, or drop what the store does not take: a preview is never worth the work it shows."""
        try:
            await self._previews.publish(self._address, entry)
        except FabulaError as error:
            _log.warning("preview_dropped", generation_id=self._address.id, reason=error.message)
