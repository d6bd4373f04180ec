"""A log in memory with its watchers: what `gateway.watch` and `gateway.fan` are tested with, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from fabula.api.generation.v1 import generation_pb2
from fabula.api.story.v1 import story_pb2
from fabula.engine.ports import Entry, Tag
from fabula.engine.tail import Tail
from gateway.entries import SharedEntry
from gateway.fan import Fan, Fanned, Form, joined
from gateway.metrics import Metrics
from gateway.pipe import ClientGone, Pipe
from gateway.upstream import CursorLost
from gateway.watch import Beginning, Key, Watch

KEY: Key = ("ada", "story-1")
NUMBER_BYTES = 4
"""What a client gets of an entry: its number among all that were ever made."""


def number(entry: SharedEntry) -> bytes:
    """Return an entry in the form that clients get; one that is broken has none."""
    if entry.body == "broken":
        raise ValueError("broken, as the test wants it")
    return entry.data[:NUMBER_BYTES]


FORMS = {conflate: Form("number", number, "test", conflate) for conflate in (False, True)}


class MemoryLog:
    """A source that the test appends to.

    Attributes:
        made: Every entry that there was, by its number.
        stored: The log.
        shown_at: By the number of what was shown beside the log: how long the log was then.
    """

    def __init__(self) -> None:
        self.made: list[SharedEntry] = []
        self.stored: list[SharedEntry] = []
        self.shown_at: dict[int, int] = {}
        self._followers: list[asyncio.Queue[SharedEntry | Exception]] = []

    @property
    def last(self) -> int:
        """The newest entry's sequence."""
        return len(self.stored)

    def append(self, tag: Tag = Tag.TEXT, size: int = NUMBER_BYTES, body: str = "") -> SharedEntry:
        """Store one more entry, and tell who follows."""
        entry = self._make(self.last + 1, tag, size, body)
        self.stored.append(entry)
        self._tell(entry)
        return entry

    def show(self) -> SharedEntry:
        """Tell of something that is not part of the log."""
        self.shown_at[len(self.made)] = self.last
        entry = self._make(0, Tag.EPHEMERAL)
        self._tell(entry)
        return entry

    def lose(self) -> SharedEntry:
        """Have everyone who follows start over from here."""
        reset = self._make(self.last, Tag.STATE, body="reset")
        self._tell(CursorLost(reset))
        return reset

    def _make(self, sequence: int, tag: Tag, size: int = NUMBER_BYTES, body: str = "") -> SharedEntry:
        response = story_pb2.WatchProgressResponse()
        if tag is Tag.TERMINAL:
            response.event.state = generation_pb2.STATE_SUCCEEDED
        data = len(self.made).to_bytes(NUMBER_BYTES, "big").ljust(size, b"x")
        self.made.append(SharedEntry(sequence, tag, data, KEY[1], response, body))
        return self.made[-1]

    def _tell(self, news: SharedEntry | Exception) -> None:
        for follower in self._followers:
            follower.put_nowait(news)

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows, and what comes, until closed."""
        follower: asyncio.Queue[SharedEntry | Exception] = asyncio.Queue()
        for entry in self.stored[after_sequence:]:
            follower.put_nowait(entry)
        self._followers.append(follower)
        try:
            while True:
                news = await follower.get()
                if isinstance(news, Exception):
                    raise news
                yield (news,)
        finally:
            self._followers.remove(follower)

    async def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what is stored, a few at a time."""
        for start in range(after_sequence, self.last, 3):
            await asyncio.sleep(0)
            yield self.stored[start : start + 3]


@dataclass(eq=False)
class MemoryStream:
    """A tail with its fan, fed by a task."""

    tail: Tail
    fan: Fan
    task: asyncio.Task[None]
    watchers: int = 0

    @property
    def live(self) -> bool:
        """Whether entries may still come."""
        return not (self.tail.closed or self.tail.complete)

    def leave(self) -> None:
        """Take part no more."""
        self.watchers -= 1


class MemoryStreams:
    """Shares one log among watchers, as the hub does."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.metrics = Metrics()
        self.open = 0
        self.streams: list[MemoryStream] = []

    def attach(self, _key: Key, _upstream: object, beginning: Beginning) -> MemoryStream:
        """Take part in the newest stream, or begin one."""
        if not (self.streams and self.streams[-1].live):
            fan = Fan(beginning.cursor, self.metrics)
            tail = Tail(Fanned(self.log, fan), beginning.cursor)
            self.streams.append(MemoryStream(tail, fan, asyncio.create_task(self._feed(tail, fan))))
        stream = self.streams[-1]
        stream.watchers += 1
        return stream

    async def _feed(self, tail: Tail, fan: Fan) -> None:
        try:
            await tail.feed()
        finally:
            fan.let_all_go()

    def release(self, _key: Key) -> None:
        """Count a watch that is over."""
        self.open -= 1

    async def end(self) -> None:
        """End all streams."""
        for stream in self.streams:
            stream.task.cancel()
        await asyncio.gather(*(stream.task for stream in self.streams), return_exceptions=True)


class Client:
    """A recipient with a bounded pipe; it reads when the test says so.

    Attributes:
        after: Where its watch began.
        received: What was written to it, in order.
        writes: How often something was written.
        overfull: Whether it was ever written to while its pipe was full or closed.
        ended: Whether it was told that all was sent.
    """

    def __init__(self, streams: MemoryStreams, after: int = 0, *, conflate: bool = False, room: int = 4) -> None:
        self.after = after
        self.received: list[SharedEntry] = []
        self.writes = 0
        self.overfull = False
        self.ended = False
        self.form = FORMS[conflate]
        self.pipe: Pipe | None = Pipe(self._write)
        self.pipe.on_stop = self._stop
        self._log = streams.log
        self._room = room
        self._unread = 0
        streams.open += 1
        beginning = Beginning(after, last_known=streams.log.last)
        self.watch = Watch(streams, KEY, None, beginning)  # type: ignore[arg-type] # a log needs no service
        self.task = asyncio.create_task(self._run())

    @property
    def sequences(self) -> list[int]:
        """The sequences received."""
        return [entry.sequence for entry in self.received]

    async def _run(self) -> None:
        try:
            if await self.watch.run(self):
                self.ended = True
                self.watch.close()
        except ClientGone:
            self.watch.close()

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Write when there is room."""
        for data in joined(self.form, entries):
            assert self.pipe is not None
            await self.pipe.room()
            self.pipe.write(data)

    def resume(self) -> None:
        """Read on in a task."""
        assert self.task.done()
        if self.pipe is not None and not self.pipe.closed:
            self.task = asyncio.create_task(self._run())

    def _stop(self) -> None:
        self.watch.let_go()

    def _write(self, data: bytes) -> None:
        assert self.pipe is not None
        self.overfull |= self.pipe.full or self.pipe.closed
        self.writes += 1
        for start in range(0, len(data), NUMBER_BYTES):
            self.received.append(self._log.made[int.from_bytes(data[start : start + NUMBER_BYTES], "big")])
            self._unread += 1
        if self._unread > self._room:
            self.pipe.stop()

    def read(self) -> None:
        """Read everything there is."""
        self._unread = 0
        if self.pipe is not None:
            self.pipe.go_on()

    async def leave(self) -> None:
        """Close the connection."""
        if self.pipe is not None:
            self.pipe.close()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.watch.close()


async def turns(count: int) -> None:
    """Let everybody run for some turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)
