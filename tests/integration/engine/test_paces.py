"""What is remembered of earlier generations: times of whole runs tell how long a queue takes."""

from __future__ import annotations

import asyncio

from fabula.engine.events import Remaining
from fabula.engine.paces import WHOLE, PaceBook, SignOfLife
from fabula.journal import Journal


async def test_waiting_takes_as_many_turns_as_slots_allow(journal: Journal) -> None:
    """With two slots, the third in the queue waits for one turn and takes its own."""
    book = PaceBook(journal.records, "paces-a")
    await book.show_life(SignOfLife("somebody", "grammar/1", slots=2))
    await book.keep("grammar/1", [(WHOLE, 10.0, 1)])

    assert Remaining(10.0, 10.0) == await book.remaining_behind(1)
    assert Remaining(20.0, 20.0) == await book.remaining_behind(2)


async def test_waiting_time_is_unknown_without_a_worker_or_without_a_past(journal: Journal) -> None:
    """Unknown is a legitimate answer."""
    book = PaceBook(journal.records, "paces-b")

    assert await book.remaining_behind(0) is None

    await book.show_life(SignOfLife("somebody", "grammar/1", slots=2))

    assert await book.remaining_behind(0) is None


async def test_models_keep_paces_of_their_own(journal: Journal) -> None:
    """A slow model's past says nothing about a quick one."""
    book = PaceBook(journal.records, "paces-c")
    await book.keep("slow@1", [("write", 100.0, 10)])

    assert {} == await book.read("quick@1")
    assert (10.0,) == (await book.read("slow@1"))["write"].samples


async def test_runs_that_end_at_once_are_kept_together(journal: Journal) -> None:
    """The first writes its own, and then in a second write what all others left to it: nobody races for the record."""
    book = PaceBook(journal.records, "paces-d")
    await book.keep("grammar/1", [("write", 1.0, 1)])
    before = await journal.records.get("pace.paces-d.grammar-1")

    await asyncio.gather(*(book.keep("grammar/1", [("write", float(run), 1)]) for run in range(2, 22)))

    after = await journal.records.get("pace.paces-d.grammar-1")
    assert before is not None
    assert after is not None
    assert 2 == after.revision - before.revision
    assert {float(run) for run in range(1, 22)} == set((await book.read("grammar/1"))["write"].samples)


async def test_what_could_not_be_kept_is_kept_with_the_next(journal: Journal) -> None:
    """A run that is cut off while it keeps its paces leaves them to the next one."""
    book = PaceBook(journal.records, "paces-e")
    cut_off = asyncio.create_task(book.keep("grammar/1", [("write", 1.0, 1)]))
    await asyncio.sleep(0)
    cut_off.cancel()
    await asyncio.wait([cut_off])

    await book.keep("grammar/1", [("write", 2.0, 1)])

    assert {1.0, 2.0} == set((await book.read("grammar/1"))["write"].samples)


async def test_chapters_of_one_story_are_one_sample(journal: Journal) -> None:
    """What is kept are generations: forty chapters of one story do not push out what other stories took."""
    book = PaceBook(journal.records, "paces-f")

    await book.keep("grammar/1", [("write", 10.0, 100), ("write", 20.0, 50), ("edit", 1.0, 0), ("edit", 3.0, 0)])

    paces = await book.read("grammar/1")
    assert (0.2,) == paces["write"].samples
    assert (2.0,) == paces["edit"].samples
