"""What a stage does, as events; and previews, of which only the newest matters."""

from __future__ import annotations

import asyncio
from typing import cast

from fabula.engine.desk import Desk, PreviewSender
from fabula.engine.events import Advanced, Body, LogLevel, LogLine, Preview, Progress, StageRestarted, TextDelta
from fabula.engine.forecast import Forecast
from fabula.engine.history import StageView
from fabula.engine.meter import Meter
from fabula.engine.pipeline import Stage
from fabula.engine.ports import Address, Blobs, Entry, GenerationId, Tag
from fabula.errors import InvalidRequest, Unavailable
from tests.unit.engine.test_meter import _nothing

NO_BLOBS = cast("Blobs", None)  # the stages here use none
ADDRESS = Address("story", "somebody", GenerationId("story-1"))


class _Diary:
    """A desk, and what comes from it."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.previews: list[Preview] = []
        self.meter = Meter(Progress(), Forecast(), 0.0)
        stage = Stage("write", _nothing, ("Writer",), units=100)
        self.meter.begin(stage, 0.0)
        self.desk = Desk(stage, ADDRESS, NO_BLOBS, {}, self.meter, self.bodies.append, self.previews.append)


def test_text_carries_its_offset_in_code_points() -> None:
    """Each piece begins where the one before ended, whatever its letters take in bytes."""
    diary = _Diary()
    for piece in ("Füchse ", "", "🦊🦊", " lesen"):
        diary.desk.text(piece)

    assert [
        TextDelta("write", 0, "Füchse "),
        TextDelta("write", 7, "🦊🦊"),
        TextDelta("write", 9, " lesen"),
    ] == diary.bodies
    assert "Füchse 🦊🦊 lesen" == diary.desk.written


def test_text_goes_on_from_the_log() -> None:
    """A stage that is taken up sees what it wrote, and writes behind it."""
    diary = _Diary()
    diary.desk.take_up(StageView("write", "Once upon"))
    diary.desk.text(" a time")

    assert [TextDelta("write", 9, " a time")] == diary.bodies
    assert "Once upon a time" == diary.desk.written


def test_text_may_say_how_far_the_stage_is() -> None:
    """With a step, text moves the progress too."""
    diary = _Diary()
    diary.desk.text("Once", step=1)

    assert 1 == diary.meter.read(0.0).step


def test_restart_voids_what_was_written() -> None:
    """The stage begins again at offset 0 and step 0."""
    diary = _Diary()
    diary.desk.text("Once", step=40)
    diary.desk.restart("the outline has changed")
    diary.desk.text("Twice")

    assert [StageRestarted("write", "the outline has changed"), TextDelta("write", 0, "Twice")] == diary.bodies[1:]
    assert ("Twice", 0) == (diary.desk.written, diary.meter.read(0.0).step)


def test_progress_lines_agents_and_previews() -> None:
    """The other things that a stage can say."""
    diary = _Diary()
    diary.desk.advance(3, 9, "Third verse")
    diary.desk.agents("Writer", "Critic")
    diary.desk.log("a rhyme is missing", LogLevel.WARNING)
    diary.desk.preview(b"pixels", "image/png", step=3)

    expected = [
        Advanced("write", 3, 9, "Third verse"),
        Advanced("write"),
        LogLine("a rhyme is missing", LogLevel.WARNING),
    ]
    assert expected == diary.bodies
    assert [Preview(b"pixels", "image/png", 3)] == diary.previews
    progress = diary.meter.read(0.0)
    assert (3, 9, "Third verse", ("Writer", "Critic")) == (
        progress.step,
        progress.steps,
        progress.message,
        progress.active_agents,
    )


class _SlowStore:
    """Previews that are published one at a time, when the test lets them."""

    def __init__(self, *errors: Exception) -> None:
        self.published: list[bytes] = []
        self.arrived = asyncio.Semaphore(0)
        self.let = asyncio.Semaphore(0)
        self._errors = list(errors)

    async def publish(self, address: Address, entry: Entry) -> None:
        """Take a preview, after a while."""
        self.arrived.release()
        await self.let.acquire()
        if self._errors:
            raise self._errors.pop(0)
        self.published.append(entry.data)

    def follow(self, address: Address) -> object:
        """Nobody follows here."""
        raise NotImplementedError


async def test_slow_store_gets_the_newest_preview_only() -> None:
    """What came while a preview was on its way is replaced, not queued."""
    store = _SlowStore()
    sender = PreviewSender(store, ADDRESS)  # type: ignore[arg-type]  # half a port is all that is used
    sending = asyncio.create_task(sender.run())
    sender.show(_preview(0))
    await store.arrived.acquire()
    for number in range(1, 6):
        sender.show(_preview(number))
    store.let.release()
    await store.arrived.acquire()
    store.let.release()
    while len(store.published) < 2:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)

    assert [b"0", b"5"] == store.published
    sending.cancel()


async def test_slow_store_gets_the_newest_preview_of_each_picture() -> None:
    """One picture's previews never stand in the way of another's."""
    store = _SlowStore()
    sender = PreviewSender(store, ADDRESS)  # type: ignore[arg-type]  # half a port is all that is used
    sending = asyncio.create_task(sender.run())
    sender.show(_preview(0))
    await store.arrived.acquire()
    for number in range(1, 4):
        for place in range(3):
            sender.show(_preview(10 * place + number, place))
    for _ in range(4):
        store.let.release()
    while len(store.published) < 4:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)

    assert [b"0", b"3", b"13", b"23"] == store.published
    sending.cancel()


async def test_preview_that_is_not_taken_is_dropped() -> None:
    """A preview too large, or a store away, never ends the work that is shown."""
    store = _SlowStore(InvalidRequest("too large"), Unavailable("away"))
    sender = PreviewSender(store, ADDRESS)  # type: ignore[arg-type]  # half a port is all that is used
    sending = asyncio.create_task(sender.run())
    for number in range(3):
        sender.show(_preview(number))
        await store.arrived.acquire()
        store.let.release()
    while not store.published:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)

    assert [b"2"] == store.published
    sending.cancel()


def _preview(number: int, place: int = 0) -> Entry:
    return Entry(0, Tag.EPHEMERAL, str(number).encode(), place=place)
