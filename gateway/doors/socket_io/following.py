"""One generation as one client is told of it: the payloads of a dialect as events, with a cursor."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from gateway.cursors import Cursor
from gateway.dialects.dialect import Dialect
from gateway.doors.socket_io.client import DOOR, Client, packet_text
from gateway.doors.socket_io.packets import SEPARATOR
from gateway.entries import SharedEntry
from gateway.fan import Form
from gateway.hub import Wish
from gateway.watch import Watch

_FOLDED = frozenset(("snapshot", "reset"))


Note = Callable[[Cursor], Awaitable[None]]
"""Told of each new cursor."""

IsOver = Callable[[SharedEntry], bool]
"""Says whether an entry tells of what is over, so that who has not been told of it need not be."""


class Follower:
    """Tells one client of one generation. Implements `gateway.watch.Recipient`.

    An entry's events are encoded once for all clients of a namespace; so they may depend on nothing but the entry and
    the base of addresses.

    Args:
        client: The client.
        dialect: In whose words; one that does not fold.
        generation_id: Which generation.
        cursor: What the client has been told before.
        note: Told of each new cursor.
        is_over: Says what is not told at all.
    """

    pipe = None

    def __init__(
        self, client: Client, dialect: Dialect, generation_id: str, cursor: Cursor, note: Note | None = None,
        *, is_over: IsOver = lambda _: False,
    ) -> None:  # fmt: skip
        assert not dialect.folds  # noqa: S101 - a folding dialect's events depend on more than their entry
        self._client = client
        self._translator = dialect.translator(generation_id)
        self._note = note
        self._is_over = is_over
        self._since = time.time()
        self._frame_name = f"{DOOR} {client.namespace} {dialect.name} {client.base}"
        self.form = Form(self._frame_name, lambda entry: self._encode(entry).encode(), DOOR)
        self.generation_id = generation_id
        self.cursor = cursor

    async def open(self, *, snapshot: bool = False, wait_for_start: bool = False) -> Watch:
        """Open the watch, which has to be closed; raises as `Hub.open`."""
        wish = Wish(self.cursor.sequence, snapshot=snapshot, wait_for_start=wait_for_start)
        return await self._client.house.hub.open(self._client.visitor, self.generation_id, wish)

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Tell of entries. Raises `ClientGone`."""
        told = [entry for entry in entries if await self._tell(entry)]
        self._client.house.metrics.at(DOOR).sent(told, self._since)

    def resume(self) -> None:
        """Nothing carries this: there is nothing to resume."""

    async def _tell(self, entry: SharedEntry) -> bool:
        frame = entry.frame(self._frame_name, self._encode)
        assert isinstance(frame, str)  # noqa: S101 - what `_encode` returns
        texts = frame.split(SEPARATOR) if frame and not self._is_over(entry) else []
        in_log = entry.sequence > 0 and entry.body not in _FOLDED
        had = self.cursor.more if in_log and entry.sequence == self.cursor.sequence + 1 else 0
        for number, text in enumerate(texts, 1):
            if number > had:
                await self._client.send(text)
                if in_log and number < len(texts):
                    await self._reach(Cursor(entry.sequence - 1, number), tell=True)
        if entry.sequence:
            await self._reach(Cursor(entry.sequence), tell=len(texts) > had)
        return len(texts) > had

    async def _reach(self, cursor: Cursor, *, tell: bool) -> None:
        self.cursor = cursor
        if tell and self._note is not None:
            await self._note(cursor)

    def _encode(self, entry: SharedEntry) -> str:
        payloads = self._translator.payloads(entry)
        return SEPARATOR.join(packet_text(self._client.namespace, each.event, each.data) for each in payloads)
