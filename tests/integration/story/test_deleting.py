"""Deleting what a worker claims at the same moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Claimed, Progress
from fabula.engine.ports import Address, Purpose, Record
from fabula.engine.states import next_event
from fabula.errors import Conflict
from fabula.journal import Journal, JournalSettings, connect
from fabula.rpc.service import GenerationService
from fabula.rpc.stores import Call, Stores
from services.story.contract import StoryContract
from tests.integration.story.house import House, story

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = Call("ida")


class ClaimedMeanwhile:
    """A log that a worker claims as soon as somebody has looked at it.

    Args:
        journal: Where it is kept.
    """

    def __init__(self, journal: Journal) -> None:
        self.log = journal.events
        self.claimed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def last(self, address: Address) -> Record | None:
        """Return the newest record; then let the worker write."""
        record = await self.log.last(address)
        if record is not None and not self.claimed:
            self.claimed = True
            codec = StoryContract().codec
            event = next_event(codec.decode(record.entries[-1]), Claimed("w", 1), Progress(), datetime.now(UTC))
            entry = codec.encode(address.id, event)
            await self.log.append(address, [entry], after=record.revision, append_id="claim", purpose=Purpose.NOTE)
        return record


async def test_what_a_worker_claims_meanwhile_is_not_deleted_under_it(idle_house: House) -> None:
    """Queued when the server looked, and running by the time it is to go: the caller must cancel it first."""
    async with connect(JournalSettings(url=idle_house.settings.url, name="deleting")) as journal:
        log: Any = ClaimedMeanwhile(journal)
        no_tails: Any = None
        service = GenerationService(StoryContract(), Stores(log, journal.blobs, journal.records), no_tails)
        started = await service.start(CALL, pb.StartGenerationRequest(story=story()))
        request = pb.DeleteGenerationRequest(generation_id=started.generation.id)

        with pytest.raises(Conflict):
            await service.delete(CALL, request)

        got = await service.get(CALL, pb.GetGenerationRequest(generation_id=started.generation.id))
        assert 2 == got.generation.last_sequence
