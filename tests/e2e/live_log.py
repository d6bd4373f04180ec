"""A generation without a worker: its events are written straight into the journal, as fast as it takes them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from fabula.engine.events import (
    Accepted,
    Body,
    Claimed,
    Event,
    Progress,
    StageFinished,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.ids import address_of
from fabula.engine.ports import Address, Purpose
from fabula.engine.states import next_state
from fabula.journal import Journal, JournalSettings, connect
from services.story.contract import StoryContract
from services.story.domain import Brief, Order
from tests.system import System

CODEC = StoryContract().codec
STAGE = "write-1"
WORDS = "once upon a time there was "


@dataclass(slots=True)
class LiveLog:
    """A log that grows when told to.

    Attributes:
        journal: Where it is kept.
        address: Which generation it is.
        sequence: Of its last event.
    """

    journal: Journal
    address: Address
    sequence: int = 0
    _revision: int = 0
    _state: State | None = None
    _offset: int = 0

    @property
    def id(self) -> str:
        """The generation's id."""
        return self.address.id

    async def begin(self) -> None:
        """Write all that comes before the first word."""
        order = Order(Brief(premise="A test."))
        await self.write([Accepted("story", "local", "test", order), Claimed("test", 1), StageStarted(STAGE)])

    async def tell(self, deltas: int, text: str = WORDS) -> None:
        """Write so many pieces of text as one record."""
        offsets = (self._offset + index * len(text) for index in range(deltas))
        await self.write([TextDelta(STAGE, offset, text) for offset in offsets])
        self._offset += deltas * len(text)

    async def end(self) -> None:
        """Finish the stage and the generation."""
        await self.write([StageFinished(STAGE), Succeeded()])

    async def write(self, bodies: Sequence[Body]) -> None:
        """Write events as one record."""
        entries = []
        for body in bodies:
            self.sequence += 1
            self._state = next_state(self._state, body)
            progress = Progress(1.0 if self._state is State.SUCCEEDED else 0.5, stage=STAGE)
            event = Event(self.sequence, body, self._state, progress, time=datetime.now(UTC))
            entries.append(CODEC.encode(self.address.id, event))
        self._revision = await self.journal.events.append(
            self.address, entries, after=self._revision, append_id=secrets.token_hex(8), purpose=Purpose.NOTE
        )


@asynccontextmanager
async def journal_of(system: System) -> AsyncIterator[Journal]:
    """Open the journal of a running system."""
    assert system.status is not None
    async with connect(JournalSettings(url=system.status.nats_url, name="live log")) as journal:
        yield journal


def new_log(journal: Journal) -> LiveLog:
    """Return a log of a generation that does not exist yet."""
    return LiveLog(journal, address_of("story", "local", secrets.token_hex(8)))
