"""Says what has just been stored, to whoever listens now; None where something may have been missed.

Both generators yield None first, when the subscription stands: what was stored before must be looked up, all that
is stored later will be announced.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from nats.aio.msg import Msg

from fabula.engine.ports import GenerationId, Purpose, Record
from fabula.journal import subjects
from fabula.journal.connection import Link
from fabula.journal.stored import from_delivery, record_of
from fabula.journal.window import Window


async def controls(link: Link, kind: str) -> AsyncGenerator[GenerationId | None, None]:
    """Yield the id of each generation whose log has received a control record, or was deleted."""
    window: Window[GenerationId] = Window()

    def heard(message: Msg) -> None:
        window.push(subjects.generation_of(message.subject))

    topics = [subjects.live_of_kind(kind, purpose) for purpose in (Purpose.CONTROL.value, subjects.TOMBSTONE)]
    async with link.listening(*topics, heard=heard, reconnected=window.forget):
        await link.round_trip()
        yield None
        while True:
            yield await window.take()


async def feed(link: Link, kind: str, owner: str) -> AsyncGenerator[tuple[GenerationId, Record | None] | None, None]:
    """Yield each record stored in any of the owner's logs; a None record says the log was deleted."""
    window: Window[Msg] = Window()

    def heard(message: Msg) -> None:
        window.push(message, len(message.data))

    async with link.listening(subjects.live_of_owner(kind, owner), heard=heard, reconnected=window.forget):
        await link.round_trip()
        yield None
        while True:
            message = await window.take()
            yield None if message is None else _news(message)


def _news(message: Msg) -> tuple[GenerationId, Record | None]:
    stored = from_delivery(message.headers, message.data)
    gone = subjects.purpose_of(stored.subject) == subjects.TOMBSTONE
    return subjects.generation_of(stored.subject), None if gone else record_of(stored)
