"""One generation as one client is told of it: the payloads of a dialect as events, with a cursor.

A client with a WebSocket is carried by the fan once it is level with the log; what is polled goes through its queue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from gateway.cursors import Cursor
from gateway.dialects.dialect import Dialect
from gateway.doors.socket_io.client import DOOR, Client, packet_text
from gateway.doors.socket_io.packets import MESSAGE, SEPARATOR
from gateway.entries import SharedEntry
from gateway.fan import Form, joined
from gateway.frames import frame_bytes
from gateway.hub import Wish
from gateway.pipe import Pipe
from gateway.watch import Watch

_FOLDED = frozenset(("snapshot", "reset"))

Note = Callable[[SharedEntry, Cursor], tuple[str, dict[str, Any]]]
"""Makes the event that tells how far a client has been told, behind what an entry says, by a cursor."""

IsOver = Callable[[SharedEntry], bool]
"""Says whether an entry tells of what is over, so that who has not been told of it need not be."""


class Words:
    """In which packets clients of a namespace are told of entries: encoded once for all who have the same words.

    Args:
        namespace: The namespace.
        dialect: In whose words; one that does not fold.
        name: Names, among all words there are, what packets depend on besides namespace, dialect and entry.
        note: Made behind each event; None: nothing is.
        is_over: Says what is not told at all.
    """

    __slots__ = ("_dialect", "_is_over", "_name", "_namespace", "_note")

    def __init__(
        self, namespace: str, dialect: Dialect, name: str = "", note: Note | None = None, is_over: IsOver | None = None
    ) -> None:
        assert not dialect.folds  # noqa: S101 - a folding dialect's events depend on more than their entry
        self._namespace = namespace
        self._dialect = dialect
        self._note = note
        self._is_over = is_over
        self._name = f"{DOOR} {namespace} {dialect.name} {name}"

    @property
    def form(self) -> Form:
        """The packets as frames of a WebSocket."""
        return Form(f"{self._name} in frames", self._frames, DOOR)

    def packets(self, entry: SharedEntry, had: int = 0) -> list[str]:
        """Return the packets that an entry brings, without those of so many events."""
        packets = entry.frame(self._name, self._encode)
        assert isinstance(packets, str)  # noqa: S101 - what `_encode` returns
        return packets.split(SEPARATOR)[had * (1 if self._note is None else 2) :] if packets else []

    def _frames(self, entry: SharedEntry) -> bytes:
        return b"".join([frame_bytes(MESSAGE + packet) for packet in self.packets(entry)])

    def _encode(self, entry: SharedEntry) -> str:
        if self._is_over is not None and self._is_over(entry):
            return ""
        payloads = self._dialect.translator(entry.generation_id).payloads(entry)
        packets: list[str] = []
        for number, payload in enumerate(payloads, 1):
            packets.append(packet_text(self._namespace, payload.event, payload.data))
            cursor = _cursor_behind(entry, number, len(payloads))
            if self._note is not None and cursor is not None:
                packets.append(packet_text(self._namespace, *self._note(entry, cursor)))
        return SEPARATOR.join(packets)


def _cursor_behind(entry: SharedEntry, number: int, count: int) -> Cursor | None:
    """Return the cursor of who has been told so many of an entry's events; None if there is none."""
    if number == count:
        return Cursor(entry.sequence) if entry.sequence else None
    return Cursor(entry.sequence - 1, number) if _is_in_log(entry) else None


def _is_in_log(entry: SharedEntry) -> bool:
    return entry.sequence > 0 and entry.body not in _FOLDED


class Follower:
    """Tells one client of one generation. Implements `gateway.watch.Recipient` and `Ride`.

    Args:
        client: The client.
        words: In which words.
        generation_id: Which generation.
        cursor: What the client has been told before.
        name: By which name the client's work goes of which this is part; by default the generation's id.
    """

    __slots__ = ("_client", "_name", "_since", "_waiter", "_watch", "_words", "cursor", "form", "generation_id")

    def __init__(self, client: Client, words: Words, generation_id: str, cursor: Cursor, name: str = "") -> None:
        self._client = client
        self._words = words
        self._name = name or generation_id
        self._since = time.time()
        self._watch: Watch | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.form = words.form
        self.generation_id = generation_id
        self.cursor = cursor

    @property
    def pipe(self) -> Pipe | None:
        """The way of finished frames; None while the client is polled, or has a part of the next entry."""
        return None if self.cursor.more else self._client.pipe

    async def open(self, *, snapshot: bool = False, wait_for_start: bool = False) -> Watch:
        """Open the watch, which has to be closed; raises as `Hub.open`."""
        wish = Wish(self.cursor.sequence, snapshot=snapshot, wait_for_start=wait_for_start)
        return await self._client.house.hub.open(self._client.visitor, self.generation_id, wish)

    async def follow(self, watch: Watch) -> None:
        """Tell of all that comes until the run ends, and close the watch.

        Raises:
            ClientGone: the client is gone.
            Exception: what ended the log before.
        """
        self._watch = watch
        self._client.carry(self._name, self)
        try:
            while not await watch.run(self):
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                self.cursor = Cursor(watch.sequence)
        finally:
            self._client.carry_no_more(self._name, self)
            watch.close()

    def let_go(self) -> None:
        """Go on alone: the client has to read before more is written to it, or is gone."""
        if self._watch is not None:
            self._watch.let_go()

    def drop(self) -> None:
        """Tell nothing more, from now on."""
        if self._watch is not None:
            self._watch.close()

    def resume(self) -> None:
        """Read on: the fan carries this no more."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Tell of entries. Raises `ClientGone`."""
        pipe = self.pipe
        if pipe is None:
            for entry in entries:
                await self._tell(entry)
        else:
            try:
                for data in joined(self.form, entries):
                    if data:
                        await pipe.room()
                        pipe.write(data)
            except Exception:
                self._reach(tuple(takewhile(self._can_be_told, entries)))
                raise
            self._reach(entries)
        told = [entry for entry in entries if self.form.of(entry)]
        self._client.house.metrics.at(DOOR).sent(told, self._since)

    def _can_be_told(self, entry: SharedEntry) -> bool:
        with suppress(Exception):
            self.form.of(entry)
            return True
        return False

    async def _tell(self, entry: SharedEntry) -> None:
        """Tell of one entry, or of the rest of it, packet by packet: whichever way there is to the client by now."""
        is_next = _is_in_log(entry) and entry.sequence == self.cursor.sequence + 1
        for packet in self._words.packets(entry, self.cursor.more if is_next else 0):
            await self._client.send(packet)
        self._reach((entry,))

    def _reach(self, entries: Sequence[SharedEntry]) -> None:
        last = max((entry.sequence for entry in entries), default=0)
        if last:
            self.cursor = Cursor(last)
