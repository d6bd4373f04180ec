"""Writes one generation's log for the worker that runs it: gathers, appends under the fence, notices others.

Emitting never waits. While one append is under way, what comes next is gathered (see `outbox`). When an append is
refused, somebody else has written: the writer reads what it missed. A request of the user is passed on, and the append
is made again behind it; anything else means that the generation is no longer this worker's, and the writer stops.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from fabula.engine.events import (
    Body,
    CancelRequested,
    Event,
    LogLine,
    PauseRequested,
    Pending,
    Progress,
    Resumed,
    State,
    TextDelta,
)
from fabula.engine.outbox import Draft, Outbox
from fabula.engine.ports import Address, EventCodec, EventLog, Purpose, Record
from fabula.engine.states import next_event
from fabula.errors import FabulaError, LogCorrupted, ResourceExhausted, Superseded, Unavailable

RECORD_SIZE = 128 * 1024
"""Size of one record at most (see `Draft.size`); in UTF-8 that stays well below what the store accepts."""

BACKLOG_SIZE = 8 * 1024 * 1024
"""Size of what waits for the store at most, before the stage is told to give up."""

RETRY_SECONDS = 0.25
"""Wait before an append is made again when the store does not answer."""

_log = structlog.get_logger(__name__)


class FenceLost(Exception):
    """Somebody else writes this log now, or it is gone. Stop, and leave the job alone."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where a log ends.

    Attributes:
        address: Whose log it is.
        head: The newest event.
        revision: Revision of the record that holds it.
    """

    address: Address
    head: Event
    revision: int


class LogWriter:
    """The end of one log, held by one worker.

    Args:
        log: Where it is stored.
        codec: How events become bytes.
        end: Where the log ends now.
        on_pending: Called when somebody has asked for something, or has withdrawn it.
    """

    def __init__(self, log: EventLog, codec: EventCodec, end: LogEnd, on_pending: Callable[[Pending], None]) -> None:
        self._log = log
        self._codec = codec
        self._address = end.address
        self._head = end.head
        self._revision = end.revision
        self._on_pending = on_pending
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        self._append_id = ""
        self._look = False
        self._patient = True
        self._failure: BaseException | None = None

    @property
    def pending(self) -> Pending:
        """What is asked for and not carried out, as far as this writer has seen."""
        return self._head.pending

    def emit(self, body: Body, progress: Progress) -> None:
        """Add an event behind all that were emitted before. Never waits.

        Raises:
            ResourceExhausted: the store has been away for so long that no more text can be held for it.
        """
        if self._outbox.size > BACKLOG_SIZE and isinstance(body, TextDelta | LogLine):
            raise ResourceExhausted("the journal has been away too long: the text that waits for it fills its buffer")
        if self._failure is not None:
            return  # nothing is stored any more; whoever waits for it is told by `flush`
        self._outbox.put(body, progress, datetime.now(UTC))
        self._idle.clear()
        self._wake.set()

    async def flush(self) -> None:
        """Return when all that was emitted is durable. Raises `FenceLost`, or what ended the writer."""
        await self._idle.wait()
        if self._failure is not None:
            raise self._failure

    async def conclude(self, body: Body, progress: Progress, pending: Pending) -> bool:
        """Append the last event of this worker's turn behind all that was emitted.

        Args:
            body: The event.
            progress: The progress after it.
            pending: What must still be asked for when it is stored: a cancel that arrives first outweighs a success,
                and a withdrawn pause is not carried out.

        Returns:
            Whether it was stored; False: something else is asked for now.
        """
        await self.flush()
        draft = Draft(body, progress, datetime.now(UTC))
        async with self._turn:
            while self._head.pending is pending:
                if await self._append((draft,)):
                    return True
        return False

    def discard(self) -> None:
        """Forget what could not be stored, so that the run can be concluded all the same; `run` has ended before."""
        self._outbox = Outbox()
        self._failure = None

    def hurry(self) -> None:
        """Wait for a store that is away no more: `run` and `conclude` raise `Unavailable` then."""
        self._patient = False

    def look(self) -> None:
        """Look for requests in the log that no append has met yet. Never waits."""
        self._look = True
        self._wake.set()

    async def run(self) -> None:
        """Append what is emitted until cancelled. Raises `FenceLost` when somebody else has taken over."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                async with self._turn:
                    await self._work_off()
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._failure = self._failure or FenceLost()
            self._idle.set()

    async def _work_off(self) -> None:
        while self._outbox:
            drafts = self._outbox.take(RECORD_SIZE)
            while not await self._append(drafts):
                pass
        if self._look:
            self._look = False
            await self._catch_up()
        if not self._outbox:
            self._idle.set()

    async def _append(self, drafts: tuple[Draft, ...]) -> bool:
        """Append; False: somebody has asked for something meanwhile, and the drafts must follow that."""
        events = self._number(drafts)
        entries = [self._codec.encode(self._address.id, event) for event in events]
        self._append_id = secrets.token_hex(8)
        purpose = Purpose.END if events[-1].state.terminal else Purpose.NOTE
        while True:
            try:
                revision = await self._log.append(
                    self._address, entries, after=self._revision, append_id=self._append_id, purpose=purpose
                )
            except Superseded:
                return await self._catch_up()
            except Unavailable as error:
                await self._wait_for_store(error)
            else:
                self._revision, self._head = revision, events[-1]
                return True

    async def _wait_for_store(self, error: Unavailable) -> None:
        if not self._patient:
            raise error
        _log.warning("append_waits", generation_id=self._address.id, reason=error.message)
        await asyncio.sleep(RETRY_SECONDS)

    def _number(self, drafts: tuple[Draft, ...]) -> list[Event]:
        events: list[Event] = []
        head = self._head
        for draft in drafts:
            try:
                head = next_event(head, draft.body, draft.progress, draft.time)
            except LogCorrupted:
                raise FenceLost from None  # somebody else has moved the state under us
            events.append(head)
        return events

    async def _catch_up(self) -> bool:
        """Read what others have appended; True if our own append, whose answer was lost, is among it."""
        before, own = self._head.pending, False
        while True:
            try:
                async with aclosing(self._log.read(self._address, self._head.sequence)) as records:
                    async for record in records:
                        own |= self._take_over_record(record)
                gone = await self._log.last(self._address) is None
            except Unavailable as error:
                await self._wait_for_store(error)
            else:
                break
        if gone:
            raise FenceLost
        if self._head.pending is not before:
            self._on_pending(self._head.pending)
        return own

    def _take_over_record(self, record: Record) -> bool:
        own = record.append_id == self._append_id
        for entry in record.entries:
            if entry.sequence > self._head.sequence:
                self._head = self._codec.decode(entry)
                if not own and not _leaves_us_the_log(self._head):
                    raise FenceLost
        self._revision = record.revision
        return own


def _leaves_us_the_log(event: Event) -> bool:
    """Whether an event that somebody else wrote is a request or a note, and not another worker's."""
    return event.state is State.RUNNING and isinstance(event.body, CancelRequested | PauseRequested | Resumed | LogLine)


def describe(error: BaseException) -> str:
    """Return what an error says to people; unknown ones only their type, for their text may hold anything."""
    return error.message if isinstance(error, FabulaError) else f"an internal error ({type(error).__name__})"
