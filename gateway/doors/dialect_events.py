"""The door of server-sent events in any dialect: one generation for each stream, taken up again by a cursor.

An event's id is its cursor: the sequence of its entry; where an entry brings several events, those before the last
have a cursor inside it (see `gateway.cursors`). The stream ends after the last event of a run. It ends without one
where the client has to come back: when the gateway is restarted, or its token holds no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import Unauthenticated
from fabula.rpc.expiry import on_expiry
from gateway.answers import Problem
from gateway.cursors import Cursor
from gateway.dialects.dialect import Dialect, Payload
from gateway.doors.event_stream import OpenStream, event_text, opening_text
from gateway.doors.speech import text_of
from gateway.entries import TERMINAL_STATES, SharedEntry
from gateway.fan import Form
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.single_calls import ask
from gateway.watch import Watch

DOOR = "dialect_events"

_FOLDED = frozenset(("snapshot", "reset"))
_END = "\n\n"
"""Behind each event."""


class DialectEvents(OpenStream):
    """One stream. Implements `gateway.watch.Recipient`.

    A translator is given every entry from the beginning of the log, as it may remember what came before. What comes
    out is the same for all who watch, so that it is encoded once.

    Args:
        house: The inside of the gateway.
        scope: ASGI's; so are the next two.
        receive: As the body was read.
        send: Where the answer goes.
        dialect: In whose words.
        trouble: Says in the same words that the generation cannot be watched any longer.
    """

    def __init__(
        self, house: House, scope: Scope, receive: Receive, send: Send, *,
        dialect: Dialect, trouble: Callable[[Problem], Payload],
    ) -> None:  # fmt: skip
        super().__init__(house, DOOR, receive, send)
        self._scope = scope
        self._dialect = dialect
        self._trouble = trouble
        self._frame_name = f"{DOOR} {dialect.name}"
        self._translator = dialect.translator("")
        self._cursor = Cursor()
        self._run = 0
        self.form = Form(self._frame_name, lambda _: b"", DOOR)

    async def run(self, visitor: Visitor, generation_id: str, cursor: Cursor, headers: Mapping[str, str]) -> None:
        """Serve the stream, which has its place among the connections; `gone` then says whether the client has left.

        Args:
            visitor: Who watches.
            generation_id: Which generation.
            cursor: How far the client has been told; one that is ahead of the log is told everything again.
            headers: Further headers of the answer.

        Raises:
            FabulaError: it cannot be watched; nothing has been sent.
        """
        house, self._translator = self._house, self._dialect.translator(generation_id)
        visitor.check_may_read(generation_id)
        generation = await self._generation(visitor, generation_id)
        last, ended = generation.last_sequence, generation.state in TERMINAL_STATES
        if ended and cursor == Cursor(last):
            await Response(status_code=204, headers=dict(headers))(self._scope, self._receive, self._asgi_send)
            return
        self._cursor = cursor if cursor.sequence <= last else Cursor()
        self._run = generation.run if self._cursor == Cursor() else 0
        with (
            closing(await house.hub.open(visitor, generation_id, Wish())) as watch,
            on_expiry(visitor.expires, self.expired.set),
        ):
            await self.begin(opening_text(self._cursor.value).encode(), headers)
            await self.go_on(self._tell_all(watch))
        if not self.gone:
            await self.end()

    async def _generation(self, visitor: Visitor, generation_id: str) -> generation_pb2.Generation:
        client = self._house.client_of(generation_id)
        fields = {"generation_id": generation_id, "view": generation_pb2.GENERATION_VIEW_BASIC}
        response = await ask(client, "GetGeneration", client.kind.request("GetGeneration")(**fields), visitor)
        generation: generation_pb2.Generation = response.generation
        return generation

    async def _tell_all(self, watch: Watch) -> None:
        try:
            await watch.run(self)
        except Unauthenticated:
            self.expired.set()  # the service's clock was first to find the token expired
        except Exception as error:  # noqa: BLE001 - told in the stream: its status is sent already
            problem = self.problem(error)
            if not problem.retryable:
                payload = self._trouble(problem)
                await self.write(event_text(payload.event, text_of(payload.data)).encode())

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send what entries say that the client has not been told."""
        told = []
        for entry in entries:
            text = self._news(entry)
            if text:
                await self.write(text.encode())
                told.append(entry)
        self.count(told)

    def _news(self, entry: SharedEntry) -> str:
        """Return the events of an entry that the client does not have."""
        payloads = self._translator.payloads(entry)
        whole = cast("str", entry.frame(self._frame_name, lambda _: _events(entry, payloads)))
        had = self._had(entry, len(payloads))
        if entry.body in _FOLDED:  # whatever the client had before, it goes on from here
            self._cursor, self._run = Cursor(entry.sequence), 0
        return _END.join(whole.split(_END)[had:]) if had else whole

    def _had(self, entry: SharedEntry, count: int) -> int:
        """Return how many of an entry's events the client has."""
        if entry.response.event.run < self._run:
            return count  # an earlier run has ended, and who has not seen it need not
        if not _is_in_log(entry):
            return 0
        if entry.sequence <= self._cursor.sequence:
            return count
        return min(count, self._cursor.more) if entry.sequence == self._cursor.sequence + 1 else 0


def _events(entry: SharedEntry, payloads: Sequence[Payload]) -> str:
    """Return an entry's payloads as events with their cursors."""
    texts = []
    for number, payload in enumerate(payloads, 1):
        within = Cursor(entry.sequence - 1, number).value if _is_in_log(entry) else 0
        cursor = entry.sequence if number == len(payloads) else within
        texts.append(event_text(payload.event, text_of(payload.data), cursor))
    return "".join(texts)


def _is_in_log(entry: SharedEntry) -> bool:
    return entry.sequence > 0 and entry.body not in _FOLDED
