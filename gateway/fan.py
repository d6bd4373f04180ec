"""Hands what is new in a log to all who have everything before it, in one go.

Who is level with a log has the same cursor as all others who are. So there is nothing to keep for each of them: an
entry is encoded and framed once, and the same bytes are written to every pipe, without a task switch between. Who
falls behind, because its pipe is full, is let go, and reads on from the tail at its own pace until it is level again.

What comes within one turn of the event loop goes out together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol, cast

import structlog

from fabula.engine.ports import Entry, Tag
from fabula.engine.tail import Source, conflated
from gateway.entries import SharedEntry
from gateway.metrics import Metrics

log = structlog.get_logger(__name__)

MOST_BYTES = 64 * 1024
"""What is written at once, at most; a single entry may be larger."""

TRY_RESTING = 16
"""How often it is tried whether resting pays: once in so many writings."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which some watchers want entries; all who have the same one get the same bytes.

    Attributes:
        name: Names `encode` among all there are: what it returns is kept with the entry under this name.
        encode: Makes the bytes that go to the transport; none of what says nothing in this form.
        door: By which door they go.
        conflate: Whether superseded progress is left out.
        wants: Tells which entries are sent at all; None: all of them.
    """

    name: str
    encode: Callable[[SharedEntry], bytes] = field(compare=False)
    door: str
    conflate: bool = False
    wants: Callable[[SharedEntry], bool] | None = None

    def of(self, entry: SharedEntry) -> bytes:
        """Return one entry in this form."""
        return cast("bytes", entry.frame(self.name, self.encode))

    def chosen(self, entries: Sequence[SharedEntry]) -> Sequence[SharedEntry]:
        """Return those of a batch that are sent."""
        if self.wants is not None:
            return [entry for entry in entries if self.wants(entry)]
        return conflated(entries) if self.conflate else entries


def joined(form: Form, entries: Sequence[SharedEntry]) -> Iterator[bytes]:
    """Yield entries as bytes to write at once: as many together as `MOST_BYTES` allow, each when it is its turn.

    What comes before an entry that cannot be encoded is yielded before its error is raised.
    """
    parts: list[bytes] = []
    size = 0
    for entry in entries:
        try:
            part = form.of(entry)
        except Exception:
            yield b"".join(parts)
            raise
        if parts and size + len(part) > MOST_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    yield b"".join(parts)


def _said(form: Form, entries: Sequence[SharedEntry]) -> list[SharedEntry]:
    """Return those of a batch that say something in a form."""
    return [entry for entry in form.chosen(entries) if form.of(entry)]


class Rider(Protocol):
    """One watcher, as the fan sees it."""

    def let_go(self) -> None:
        """Leave the fan, and go on alone."""
        ...


class Fan:
    """One tail's.

    Args:
        sequence: The tail's last sequence.
        metrics: What is counted.
    """

    def __init__(self, sequence: int, metrics: Metrics) -> None:
        self._sequence = sequence
        self._metrics = metrics
        self._riders: dict[Form, dict[Rider, Callable[[bytes], None]]] = {}
        self._gathered: list[SharedEntry] = []
        self._bytes = 0
        self._shown: dict[int, SharedEntry] = {}
        self._next: asyncio.Handle | None = None
        self._rests_until = 0.0
        self._writings = 0
        self._wrote_at: dict[Form, float] = {}

    @property
    def sequence(self) -> int:
        """The cursor of everyone who rides."""
        return self._sequence

    @property
    def shown(self) -> tuple[SharedEntry, ...]:
        """The newest ephemeral entry in each place, unless the state has left it behind."""
        return tuple(self._shown.values())

    def wrote_at(self, form: Form) -> float:
        """When something was last written in a form, on the monotonic clock; 0 if nothing was."""
        return self._wrote_at.get(form, 0.0)

    def is_level(self, sequence: int) -> bool:
        """Write what was gathered, and say whether this is then the cursor of everyone who rides."""
        self.flush()
        return sequence == self._sequence

    def join(self, rider: Rider, form: Form, write: Callable[[bytes], None]) -> None:
        """Carry a watcher who is level, has seen what is shown, and whose pipe has room.

        Args:
            rider: Who it is.
            form: How it wants its entries.
            write: Takes the bytes.
        """
        self._riders.setdefault(form, {})[rider] = write

    def leave(self, rider: Rider, form: Form) -> None:
        """Carry a watcher no more; its cursor is `sequence`."""
        riders = self._riders[form]
        del riders[rider]
        if not riders:
            del self._riders[form]
            self._wrote_at.pop(form, None)

    def take_in(self, batch: Sequence[Entry]) -> None:
        """Hand on what the tail has just taken in."""
        for entry in batch:
            assert isinstance(entry, SharedEntry)  # noqa: S101 - what `Upstream` yields
            if entry.sequence:
                self._gathered.append(entry)
                self._bytes += len(entry.data)
                if entry.tag in (Tag.STATE, Tag.TERMINAL):
                    self._shown.clear()
            else:
                self.flush()
                self._shown[entry.place] = entry
                self._write((entry,), self._sequence)
        if self._bytes >= MOST_BYTES or (self._gathered and self._gathered[-1].tag is Tag.TERMINAL):
            self.flush()
        elif self._gathered and self._next is None:
            self._next = self._soon()

    def _soon(self) -> asyncio.Handle:
        loop, rest = asyncio.get_running_loop(), self._rests_until - time.monotonic()
        return loop.call_later(rest, self.flush) if rest > 0 else loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if not self._gathered:
            return
        entries, self._gathered, self._bytes = self._gathered, [], 0
        begun = time.monotonic()
        self._write(entries, entries[-1].sequence)
        self._rest(time.monotonic() - begun, len(entries))
        if entries[-1].tag is Tag.TERMINAL:
            self.let_all_go()

    def _write(self, entries: Sequence[SharedEntry], sequence: int) -> None:
        """Write entries to everyone; everyone's cursor is then `sequence`."""
        try:
            ready = [(form, _said(form, entries)) for form in self._riders]
        except Exception:
            # Who goes on alone meets the same error, and can be told. Nothing has been written to anybody yet.
            log.exception("entries_cannot_be_encoded", sequence=sequence)
            self.let_all_go()
            ready = []
        self._sequence = sequence  # who leaves while we write has been written to
        for form, said in ready:
            if not said:  # these entries say nothing in this form
                continue
            data = b"".join([form.of(entry) for entry in said])
            riders = tuple(self._riders.get(form, {}).values())
            for write in riders:
                write(data)
            self._metrics.at(form.door).sent_to_all(said, len(riders))
            if form in self._riders:
                self._wrote_at[form] = time.monotonic()

    def _rest(self, took: float, count: int) -> None:
        """Rest after a writing as long as it took, where that pays: what comes meanwhile goes out in one write.

        It pays when entries come faster than they can be written one by one. Whether they do is tried now and then.
        """
        self._writings += 1
        if count > 1 or self._writings % TRY_RESTING == 0:
            self._rests_until = time.monotonic() + took

    def let_all_go(self) -> None:
        """Have everyone go on alone: the tail has something to say that is no entry, such as its end."""
        for riders in tuple(self._riders.values()):
            for rider in tuple(riders):
                rider.let_go()


@dataclass(frozen=True, slots=True)
class Fanned:
    """A tail's source whose news the fan gets as soon as the tail has them."""

    source: Source
    fan: Fan

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what comes; hand it to the fan when the tail asks for more, having taken it in."""
        async with aclosing(self.source.follow(after_sequence)) as batches:
            async for batch in batches:
                yield batch
                self.fan.take_in(batch)

    def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Return what is there now."""
        return self.source.read(after_sequence)
