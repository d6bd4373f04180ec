"""One watcher's way through a log: by itself while it is behind, carried by the fan once it is level."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, cast

from fabula.engine.tail import Tail
from fabula.rpc.client import Caller
from gateway.entries import SharedEntry
from gateway.fan import Fan, Form
from gateway.pipe import Pipe
from gateway.upstream import CursorLost, Upstream

Key = tuple[str, str]
"""Owner and generation id: what is watched is shared only among those who may see it."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a watch begins.

    Attributes:
        cursor: Entries after this one come from the log.
        first: A snapshot or reset that comes before them.
        over: Whether the run had ended at `cursor`, so that nothing follows.
        last_known: The log's last sequence as the service has just said; 0 if it was not asked.
    """

    cursor: int
    first: SharedEntry | None = None
    over: bool = False
    last_known: int = 0


class Stream(Protocol):
    """A live log that watchers share."""

    @property
    def tail(self) -> Tail:
        """Its newest part."""
        ...

    @property
    def fan(self) -> Fan:
        """Carries who is level with it."""
        ...

    def renew(self, caller: Caller, expires: float | None) -> None:
        """Take note of somebody on whose behalf the log may be watched."""
        ...

    def leave(self) -> None:
        """Take part no more."""
        ...


class Streams(Protocol):
    """Where a watch finds the live log that it shares with others."""

    def attach(self, key: Key, upstream: Upstream, beginning: Beginning) -> Stream:
        """Take part in a stream that serves a watcher who begins there."""
        ...

    def release(self, key: Key) -> None:
        """Take note that a watch is over."""
        ...


class Recipient(Protocol):
    """Who gets what a watch finds."""

    @property
    def form(self) -> Form:
        """How it wants its entries."""
        ...

    @property
    def pipe(self) -> Pipe | None:
        """Takes finished bytes. Without it everything comes by `send`, and the fan carries nobody.

        It may come later, as when a client changes its transport: it is asked for again behind each `send`.
        """
        ...

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries, once there is room for them; raises when the client is gone."""
        ...

    def resume(self) -> None:
        """Run the watch again: the fan carries it no more."""
        ...


class Watch:
    """A watcher's cursor, and what brings it forward.

    Args:
        streams: Where live logs are shared.
        key: What they are shared by.
        upstream: The generation.
        beginning: Where to begin.
    """

    __slots__ = (
        "_beginning",
        "_fan",
        "_key",
        "_known",
        "_over",
        "_recipient",
        "_sequence",
        "_shown",
        "_stream",
        "_streams",
        "_upstream",
    )

    def __init__(self, streams: Streams, key: Key, upstream: Upstream, beginning: Beginning) -> None:
        self._streams = streams
        self._key = key
        self._upstream = upstream
        self._beginning: Beginning | None = beginning
        self._known = beginning.last_known
        self._sequence = 0 if beginning.first is not None else beginning.cursor
        self._shown: tuple[SharedEntry, ...] = ()
        self._stream: Stream | None = None
        self._fan: Fan | None = None
        self._recipient: Recipient | None = None
        self._over = False

    @property
    def sequence(self) -> int:
        """The watcher's cursor: everything up to this entry was handed out. 0 at first if a snapshot or reset comes."""
        return self._sequence if self._fan is None else self._fan.sequence

    @property
    def wrote_at(self) -> float:
        """When the fan has written last for this watcher, on the monotonic clock; 0 if it does not carry it."""
        if self._fan is None or self._recipient is None:
            return 0.0
        return self._fan.wrote_at(self._recipient.form)

    @property
    def empty(self) -> bool:
        """Whether it was clear from the start that nothing comes: the run has ended, and the watcher has all of it."""
        return self._beginning is not None and self._beginning.over and self._beginning.first is None

    async def run(self, recipient: Recipient) -> bool:
        """Send the entries, in order, each once.

        Returns:
            True when the run has ended and all was sent. False when the recipient is level with the log, and the fan
            carries it until it calls `resume`.

        Raises:
            ClientGone: the client is gone.
            Exception: what ended the log before; what `send` raised.
        """
        while True:
            if self._beginning is not None and await self._begin(recipient, self._beginning):
                return True
            try:
                return await self._go_on(recipient)
            except CursorLost as lost:
                self._detach()
                self._beginning = Beginning(lost.entry.sequence, lost.entry, lost.entry.ends_run)

    async def _begin(self, recipient: Recipient, beginning: Beginning) -> bool:
        """Send what comes first. Returns whether nothing follows."""
        if beginning.first is not None:
            await recipient.send((beginning.first,))
            self._sequence = beginning.first.sequence
        if beginning.over:
            return True
        self._stream = self._streams.attach(self._key, self._upstream, beginning)
        self._known, self._beginning = beginning.last_known, None
        return False

    async def _go_on(self, recipient: Recipient) -> bool:
        assert self._stream is not None  # noqa: S101 - `_begin` has attached it
        tail, fan = self._stream.tail, self._stream.fan
        while True:
            if (pipe := recipient.pipe) is not None:
                await pipe.room()
                if self._is_level(tail) and fan.is_level(self._sequence):
                    unseen = [entry for entry in fan.shown if not any(entry is seen for seen in self._shown)]
                    if not unseen:
                        self._ride(fan, recipient, pipe)
                        return False
                    await self._send(recipient, unseen)
                    continue
            async with aclosing(tail.watch(self._sequence, self._known)) as batches:
                async for batch in batches:
                    await self._send(recipient, cast("Sequence[SharedEntry]", batch))
                    if recipient.pipe is not None and self._is_level(tail):
                        break
                else:
                    return True

    def _is_level(self, tail: Tail) -> bool:
        """Say whether the watcher has what there is, and more may come.

        One who knows of more than the tail has is not: it has to tell the tail, or an earlier run's end is the end.
        """
        return self._sequence == max(tail.last_sequence, self._known) and not (tail.closed or tail.complete)

    async def _send(self, recipient: Recipient, batch: Sequence[SharedEntry]) -> None:
        await recipient.send(recipient.form.chosen(batch))
        if batch[-1].sequence:
            self._sequence = batch[-1].sequence
        else:
            places = {entry.place for entry in batch}
            self._shown = (*(entry for entry in self._shown if entry.place not in places), *batch)

    def _ride(self, fan: Fan, recipient: Recipient, pipe: Pipe) -> None:
        self._fan, self._recipient = fan, recipient
        fan.join(self, recipient.form, pipe.write)

    def let_go(self) -> None:
        """Stop riding, if the fan carries this watch, and go on alone."""
        if self._fan is not None and self._recipient is not None:
            self._step_off(self._fan, self._recipient).resume()

    def _step_off(self, fan: Fan, recipient: Recipient) -> Recipient:
        fan.leave(self, recipient.form)
        self._sequence, self._shown = fan.sequence, fan.shown
        self._fan = self._recipient = None
        return recipient

    def renew(self, caller: Caller, expires: float | None) -> None:
        """Watch on behalf of a fresh token from now on."""
        self._upstream.renew(caller, expires)
        if self._stream is not None:
            self._stream.renew(caller, expires)

    def close(self) -> None:
        """Give back what the watch holds; nothing comes of it any more. A second time nothing happens."""
        if not self._over:
            self._over = True
            if self._fan is not None and self._recipient is not None:
                self._step_off(self._fan, self._recipient)
            self._detach()
            self._streams.release(self._key)

    def _detach(self) -> None:
        if self._stream is not None:
            self._stream.leave()
            self._stream = None
