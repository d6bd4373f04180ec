"""The writer: group commit, the fence, and answers that were lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from fabula.engine.events import (
    Advanced,
    Body,
    Claimed,
    LogLine,
    Pending,
    Progress,
    StageFinished,
    StageStarted,
    Succeeded,
    TextDelta,
)
from fabula.engine.ports import Address, EventLog, Record
from fabula.engine.writer import BACKLOG_SIZE, FenceLost, LogEnd, LogWriter
from fabula.errors import ResourceExhausted, Unavailable
from tests.integration.engine.faults import (
    Faulty,
    note,
)
from tests.integration.engine.workplace import Workplace, names
from tests.log_rules import texts_of


class Desk:
    """A writer at work on a fresh generation, and what it was told."""

    def __init__(
        self, place: Workplace, address: Address, writer: LogWriter, told: list[Pending], end: Callable[[], object]
    ) -> None:
        self.end = end
        self.place = place
        self.address = address
        self.writer = writer
        self.told = told
        self.offset = 0

    def emit(self, *bodies: Body) -> None:
        """Emit events."""
        for body in bodies:
            self.writer.emit(body, Progress())

    def write(self, text: str) -> None:
        """Emit text behind what was emitted before."""
        self.emit(TextDelta("write", self.offset, text))
        self.offset += len(text)

    async def records(self) -> list[Record]:
        """Return what is stored."""
        async with aclosing(self.place.journal.events.read(self.address)) as records:
            return [record async for record in records]


@asynccontextmanager
async def writing(place: Workplace, log: EventLog | Faulty | None = None) -> AsyncIterator[Desk]:
    """Run a writer on a generation that it has claimed and whose stage has begun."""
    address = await place.start()
    record = await place.journal.events.last(address)
    assert record is not None
    told: list[Pending] = []
    end = LogEnd(address, place.codec.decode(record.entries[-1]), record.revision)
    writer = LogWriter(log or place.journal.events, place.codec, end, told.append)
    running = asyncio.create_task(writer.run())
    desk = Desk(place, address, writer, told, running.cancel)
    try:
        desk.emit(Claimed("worker", 1), StageStarted("write"))
        yield desk
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_much_that_is_emitted_during_an_append_becomes_few_records(place: Workplace) -> None:
    """A thousand tokens while the disk is busy: one more record, one delta, and nobody waited."""
    log = Faulty(place.journal.events, "wait")
    async with writing(place, log) as desk:
        await asyncio.wait_for(log.reached.wait(), 20)
        for number in range(1000):  # no await in here: emitting cannot wait
            desk.write(f"{number} ")
            desk.emit(Advanced("write", number))
        assert 1 == log.appends
        log.open.set()
        await desk.writer.flush()

        assert 2 == log.appends
        records = await desk.records()
        events = await place.events(desk.address)

    assert [1, 2, 2] == [len(record.entries) for record in records]
    assert ["Accepted", "Claimed", "StageStarted", "TextDelta", "Advanced"] == names(events)
    assert "".join(f"{number} " for number in range(1000)) == texts_of(events)["write"]


async def test_flush_returns_when_all_is_stored(place: Workplace) -> None:
    """What was emitted before a flush can be read after it."""
    async with writing(place) as desk:
        for number in range(20):
            desk.write(f"{number} ")
            await desk.writer.flush()
            assert texts_of(await place.events(desk.address))["write"].endswith(f"{number} ")


async def test_checkpoint_has_a_record_of_its_own(place: Workplace) -> None:
    """Text and output, each as large as may be, do not share a record."""
    async with writing(place) as desk:
        desk.write("Once upon a time")
        desk.emit(StageFinished("write", None), LogLine("kept"))
        await desk.writer.flush()

        assert [["Accepted"], ["Claimed", "StageStarted", "TextDelta"], ["StageFinished"], ["LogLine"]] == [
            names([place.codec.decode(entry) for entry in record.entries]) for record in await desk.records()
        ]


@pytest.mark.parametrize("fault", ["answer lost", "not sent"])
async def test_append_without_an_answer_is_made_again_and_stored_once(place: Workplace, fault: str) -> None:
    """Whether the append or its answer was lost: the text is there once, in order."""
    log = Faulty(place.journal.events, "", fault, fault, "")
    async with writing(place, log) as desk:
        await desk.writer.flush()
        desk.write("Once ")
        await desk.writer.flush()
        desk.write("upon")
        await desk.writer.flush()
        events = await place.events(desk.address)

    assert [TextDelta("write", 0, "Once "), TextDelta("write", 5, "upon")] == [event.body for event in events[3:]]


async def test_lost_answer_and_a_request_behind_it(place: Workplace) -> None:
    """The append was stored, its answer lost, and a cancel stored behind it: nothing twice, and the cancel is seen."""
    log = Faulty(place.journal.events, "", "answer lost")
    async with writing(place, log) as desk:
        await desk.writer.flush()
        desk.write("Once ")
        await asyncio.wait_for(log.reached.wait(), 20)
        await place.command("cancel", desk.address)
        await desk.writer.flush()
        desk.write("upon")
        await desk.writer.flush()
        events = await place.events(desk.address)

    assert ["TextDelta", "CancelRequested", "TextDelta"] == names(events)[-3:]
    assert [Pending.CANCEL] == desk.told
    assert {"write": "Once upon"} == texts_of(events)


async def test_foreign_request_is_met_by_an_append(place: Workplace) -> None:
    """The append is refused, the request read, told, and the append made again behind it."""
    async with writing(place) as desk:
        await desk.writer.flush()
        await place.command("pause", desk.address)
        desk.write("Once")
        await desk.writer.flush()

        assert [Pending.PAUSE] == desk.told
        assert ["PauseRequested", "TextDelta"] == names(await place.events(desk.address))[-2:]


async def test_foreign_request_is_found_by_looking(place: Workplace) -> None:
    """A writer that has nothing to append finds requests when it is told to look, and their withdrawal."""
    async with writing(place) as desk:
        await desk.writer.flush()
        for command, expected in (("pause", Pending.PAUSE), ("resume", Pending.NOTHING), ("cancel", Pending.CANCEL)):
            await place.command(command, desk.address)
            desk.writer.look()
            async with asyncio.timeout(20):
                while desk.told[-1:] != [expected]:  # noqa: ASYNC110 - what is told is a call, not an event
                    await asyncio.sleep(0.01)

    assert [Pending.PAUSE, Pending.NOTHING, Pending.CANCEL] == desk.told


async def test_foreign_claim_ends_the_writer(place: Workplace) -> None:
    """Another worker's claim: nothing more is stored, and whoever waits is told."""
    async with writing(place) as desk:
        await desk.writer.flush()
        await note(place, desk.address, body=Claimed("another", 2))
        desk.write("Once")
        with pytest.raises(FenceLost):
            await desk.writer.flush()

        assert Claimed("another", 2) == (await place.events(desk.address))[-1].body


async def test_foreign_claim_is_found_by_looking(place: Workplace) -> None:
    """A look finds out, too, that the generation is lost."""
    async with writing(place) as desk:
        await desk.writer.flush()
        await note(place, desk.address, body=Claimed("another", 2))
        desk.writer.look()
        desk.write("Once")
        with pytest.raises(FenceLost):
            await desk.writer.flush()


async def test_conclusion_follows_what_was_emitted(place: Workplace) -> None:
    """The last event of a turn stands behind everything before it."""
    async with writing(place) as desk:
        desk.write("Once")
        desk.emit(StageFinished("write"))

        assert await desk.writer.conclude(Succeeded(), Progress(1.0), Pending.NOTHING)
        assert ["TextDelta", "StageFinished", "Succeeded"] == names(await place.events(desk.address))[-3:]


async def test_conclusion_is_not_stored_if_something_else_is_asked_for(place: Workplace) -> None:
    """A success behind a cancel is none; a cancellation then is."""
    async with writing(place) as desk:
        await desk.writer.flush()
        await place.command("cancel", desk.address)

        assert not await desk.writer.conclude(Succeeded(), Progress(1.0), Pending.NOTHING)
        assert Pending.CANCEL is desk.writer.pending
        assert "CancelRequested" == names(await place.events(desk.address))[-1]


async def test_backlog_is_bounded(place: Workplace) -> None:
    """With the store away, text is held up to a bound; then the stage is told. Lifecycle events are always taken."""
    log = Faulty(place.journal.events, "wait")
    async with writing(place, log) as desk:
        await asyncio.wait_for(log.reached.wait(), 20)
        desk.write("x" * (BACKLOG_SIZE + 1))
        with pytest.raises(ResourceExhausted):
            desk.emit(TextDelta("write", desk.offset, "y"))
        desk.emit(StageFinished("write"))
        log.open.set()
        await desk.writer.flush()

        assert desk.offset == len(texts_of(await place.events(desk.address))["write"])


async def test_writer_in_a_hurry_does_not_wait_for_the_store(place: Workplace) -> None:
    """On shutdown a store that is away is not waited for: the lease will give the job to another."""
    log = Faulty(place.journal.events, "", *["not sent"] * 1000)
    async with writing(place, log) as desk:
        await desk.writer.flush()
        desk.writer.hurry()
        desk.write("Once")
        with pytest.raises(Unavailable):
            await desk.writer.flush()


async def test_writer_that_was_ended_does_not_pretend(place: Workplace) -> None:
    """After its end nothing is stored any more, and whoever waits for it is told so."""
    async with writing(place) as desk:
        await desk.writer.flush()
        desk.end()
        for word in ("Once ", "upon "):  # the first while it ends, the second after it has
            desk.write(word)
            with pytest.raises(FenceLost):
                await asyncio.wait_for(desk.writer.flush(), 20)


async def test_what_cannot_be_stored_is_discarded_and_the_run_concluded(place: Workplace) -> None:
    """After a fault the log can still be brought to an end behind what is stored."""
    async with writing(place) as desk:
        await desk.writer.flush()
        desk.emit(StageFinished("write", object()))
        with pytest.raises(TypeError):
            await desk.writer.flush()
        desk.write("the stage's last words, on its way out")
        desk.writer.discard()

        assert await desk.writer.conclude(Succeeded(), Progress(1.0), Pending.NOTHING)
        assert ["StageStarted", "Succeeded"] == names(await place.events(desk.address))[-2:]


async def test_fence_holds_between_two_writers(place: Workplace) -> None:
    """Two writers on one log, racing: one of them is stopped, and what it had not stored is nowhere."""
    async with writing(place) as desk:
        await desk.writer.flush()
        end = LogEnd(desk.address, desk.writer._head, desk.writer._revision)
        rival = LogWriter(place.journal.events, place.codec, replace(end), lambda _: None)
        running = asyncio.create_task(rival.run())
        rival.emit(Claimed("rival", 2), Progress())
        await rival.flush()
        desk.write("Once")
        rival.emit(TextDelta("write", 0, "Twice"), Progress())
        await rival.flush()
        with pytest.raises(FenceLost):
            await desk.writer.flush()
        running.cancel()

        assert {"write": "Twice"} == texts_of(await place.events(desk.address))
