"""Fourteen bugs that users of other systems suffer from, each looked for here: through the whole system, at every door.

Each test names the lesson, what Fabula claims, and where the bug is told of.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from fabula.cli.exits import Exit
from fabula.engine.events import Body, Cancelled, Failed, Failure, Progress, StageFinished, Succeeded, TextDelta
from fabula.engine.ports import Tag
from fabula.engine.writer import LogEnd, LogWriter
from fabula.journal.ushering import consumer_name
from gateway.hub import SNAPSHOT_REUSE_ENTRIES
from tests.e2e.conftest import READING_PACE
from tests.e2e.live_log import CODEC, STAGE, WORDS, LiveLog, journal_of, new_log
from tests.e2e.looks import Look, Sight, Window, first, take_all, take_events, windows
from tests.e2e.observer import Observer, all_doors, bodies, check_equal, check_log, check_story
from tests.e2e.stories import Api, api_of, watching
from tests.integration.gateway.tokens import SECRET, token
from tests.proof import seeded
from tests.system import System

UNKNOWN = "story-00000000-0000-4000-8000-000000000000"


@asynccontextmanager
async def logs(system: System, count: int = 1) -> AsyncIterator[list[LiveLog]]:
    """Begin generations that no worker knows, and end in the end those that have not ended."""
    async with journal_of(system) as journal:
        found = [new_log(journal) for _ in range(count)]
        for log in found:
            await log.begin()
        yield found
        for log in found:
            newest = await journal.events.last(log.address)
            if newest is not None and newest.entries[-1].tag is not Tag.TERMINAL:
                await log.end()


def numbers(sights: Sequence[Sight]) -> list[int]:
    """Return the sequences in the order told."""
    return [sight.sequence for sight in sights]


def texts(sights: Sequence[Sight]) -> str:
    """Join the deltas."""
    return "".join(sight.response.event.text_delta.text for sight in sights if sight.response is not None)


async def test_lesson_01_a_cursor_is_an_integer_of_its_generation(house: System) -> None:
    """Cursors are 1, 2, 3 … in each generation by itself, however much happens at once, and compare as numbers.

    LangGraph #8112: ids made of the time were not unique within a millisecond, and as strings "10" came before "9".
    """
    async with logs(house, 2) as (log, other):
        await log.tell(120)
        await other.tell(7)
        for window in windows(house):
            told = await take_events(window.look(log.id), log.sequence)
            assert list(range(1, log.sequence + 1)) == numbers(told), window.name
            moments = {sight.response.event.time.ToMilliseconds() for sight in told if sight.response is not None}
            assert len(moments) < len(told), "no two events are of one millisecond: this shows nothing"
            for cursor in (1, 9, 10, 99, 100):
                behind = await take_events(window.look(log.id, cursor), 3)
                assert [cursor + 1, cursor + 2, cursor + 3] == numbers(behind), window.name
            assert list(range(10, 11)) == numbers(await take_events(window.look(other.id, 9), 1)), window.name


async def test_lesson_02_equal_payloads_are_different_events(house: System) -> None:
    """What is said twice is stored and shown twice: no id is made of what an event or a request says.

    libre-webui #202: a repeated token " the" was taken for a duplicate, and the text lacked it.
    """
    async with logs(house) as [log]:
        record = await log.journal.events.last(log.address)
        assert record is not None
        end = LogEnd(log.address, CODEC.decode(record.entries[-1]), record.revision)
        writer = LogWriter(log.journal.events, CODEC, end, lambda _: None)
        writing = asyncio.create_task(writer.run())
        for number in range(40):
            writer.emit(TextDelta(STAGE, number * len(" the"), " the"), Progress(0.5, stage=STAGE))
            await writer.flush()  # each is a record of its own
        for body in (StageFinished(STAGE), Succeeded()):
            writer.emit(body, Progress(1.0 if isinstance(body, Succeeded) else 0.5))
        await writer.flush()
        writing.cancel()
        for window in windows(house):
            assert " the" * 40 == texts(await take_all(window.look(log.id))), window.name

    async with api_of(house) as api:
        twins = [await api.start(words=60) for _ in range(2)]
        assert 2 == len(set(twins))
        for twin in twins:
            assert httpx.codes.OK == (await api.command(twin, "cancel")).status_code


async def test_lesson_03_a_cursor_may_come_in_header_query_or_message(house: System) -> None:
    """Every way to hand over a cursor counts, and the newest where there are two.

    athrvk/vayu #21: an EventSource that the page makes anew sends no Last-Event-ID, and was told everything again.
    """
    async with logs(house) as [log]:
        await log.tell(30)
        for window in windows(house):
            assert [21, 22] == numbers(await take_events(window.look(log.id, 20), 2)), window.name
        address = f"{house.url}/v1/generations/{log.id}/events"
        async with httpx.AsyncClient(trust_env=False) as http:
            for headers, query, expected in (
                ({"Last-Event-ID": "25"}, "?after=20", "26"),  # a browser that comes back keeps its first address
                ({"Last-Event-ID": "25"}, "?after=20&snapshot=1", "26"),
                ({}, "?after=20&snapshot=1", "21"),
            ):
                async with http.stream("GET", address + query, headers=headers) as response:
                    ids = [line.removeprefix("id: ") async for line in _lines_until_event(response)]
                assert expected == ids[-1], query


async def _lines_until_event(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        if line.startswith("event:"):
            return
        if line.startswith("id:"):
            yield line


async def test_lesson_04_a_stream_that_dies_before_any_event_keeps_its_cursor(house: System) -> None:
    """Resumed, cut off before anything came, and resumed again, by whoever dies: the cursor is what it was.

    modelcontextprotocol/typescript-sdk #2499: the second reconnect had forgotten the cursor of the first.
    """
    async with logs(house) as [log], asyncio.TaskGroup() as tasks:
        await log.tell(30)
        cursor = log.sequence
        told: dict[str, list[Sight]] = {}
        for window in windows(house):
            kept = cursor
            for _ in range(3):
                opening = await first(window.look(log.id, kept))
                assert Sight("open", cursor) == opening, window.name
                kept = opening.sequence
            told[window.name] = []
            tasks.create_task(_read_on(window, log.id, kept, 10, told[window.name]))
        for round_, victim in enumerate(("story-server", "gateway"), 1):
            await asyncio.sleep(0.5)  # for all to come back, who then hear nothing until they are cut off
            await asyncio.to_thread(house.until_replaced, victim, house.kill(victim))
            await log.tell(5)
            async with asyncio.timeout(20):
                while any(len(each) < round_ * 5 for each in told.values()):  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(0.02)
            expected = list(range(cursor + 1, cursor + 1 + round_ * 5))
            assert dict.fromkeys(told, expected) == {name: numbers(each) for name, each in told.items()}


async def _read_on(window: Window, generation_id: str, cursor: int, count: int, told: list[Sight]) -> None:
    """Take down so many events behind the cursor; come back by it whenever the connection is lost."""
    while len(told) < count:
        async with aclosing(window.look(generation_id, cursor)) as look:
            async for sight in look:
                if sight.what == "event" and sight.sequence:
                    told.append(sight)
                    cursor = sight.sequence
                if len(told) == count:
                    return
        await asyncio.sleep(0.1)


async def test_lesson_05_a_connection_without_an_event_can_be_resumed(house: System) -> None:
    """The cursor is told at once, before there is any event: who is cut off then comes back to just there.

    Socket.IO #5538: recovery fails where no event was received before the loss.
    """
    async with logs(house) as [log]:
        for window in windows(house):
            begun = log.sequence
            async with asyncio.timeout(5):  # nothing is written: the opening alone has to tell
                opening = await first(window.look(log.id, begun))
            assert Sight("open", begun) == opening, window.name
            await log.tell(4)
            told = await take_events(window.look(log.id, opening.sequence), 4)
            assert list(range(begun + 1, begun + 5)) == numbers(told), window.name
        late = await take_events(windows(house)[0].look(log.id), log.sequence)
        assert WORDS * (len(late) - 3) == texts(late)


async def test_lesson_06_a_cursor_that_cannot_be_served_is_answered_with_a_reset(house: System) -> None:
    """A cursor from somewhere else is met with a snapshot to begin from, then with what follows; never with silence.

    Mercure #704: a subscriber with an unknown Last-Event-ID waited for ever, and did not learn of it.
    """
    async with logs(house) as [log]:
        await log.tell(30)
        for window in windows(house):
            foreign = log.sequence + 1000
            async with aclosing(window.look(log.id, foreign)) as look:
                reset = [sight async for sight in _until_told(look)][-1]
                assert ("reset", log.sequence) == (reset.what, reset.sequence), window.name
                assert reset.response is not None
                assert str(foreign) in reset.response.event.reset.reason
                [stage] = reset.response.event.reset.snapshot.stages
                assert WORDS * (log.sequence - 3) == stage.text
                await log.tell(2)
                async with asyncio.timeout(20):
                    following = [(await anext(look)).sequence for _ in range(2)]
                assert [reset.sequence + 1, reset.sequence + 2] == following, window.name


async def _until_told(look: Look) -> AsyncIterator[Sight]:
    async with asyncio.timeout(20):
        async for sight in look:
            yield sight
            if sight.what != "open":
                return


async def test_lesson_07_who_joins_while_it_is_written_has_no_hole_and_no_overlap(house: System) -> None:
    """History and live events meet without a seam, whenever somebody comes, and with whatever cursor.

    Mercure #178: an update between the end of the history and the beginning of the subscription was lost.
    """
    chance = seeded()
    async with logs(house) as [log], asyncio.TaskGroup() as tasks:
        observers: list[Observer] = []
        for round_ in range(60):
            await log.tell(chance.randint(1, 9))
            if round_ % 2:
                observer = Observer(log.id, all_doors(house), chance, (1, 60), cuts_left=3)
                tasks.create_task(observer.watch())
                observers.append(observer)
                await asyncio.sleep(chance.uniform(0, 0.02))
        await log.end()
    for observer in observers:
        check_log(observer)
    check_equal(observers)
    assert log.sequence == observers[0].cursor


@pytest.mark.parametrize(
    "ending",
    [(StageFinished(STAGE), Succeeded()), (Failed(Failure("INTERNAL", "no"), STAGE),), (Cancelled(),)],
    ids=["succeeded", "failed", "cancelled"],
)
async def test_lesson_08_every_end_is_stored_and_found_by_who_missed_it(house: System, ending: Sequence[Body]) -> None:
    """An end that nobody heard of, as the servers were dead, is found; a failure or cancel ends a watch like a success.

    vercel/resumable-stream #47: the message "done" was lost, and watchers waited for ever. langchain #39039: a stream
    that had failed looked like one that had succeeded.
    """
    async with logs(house) as [log]:
        await log.tell(5)
        observers = [Observer(log.id, [door]) for door in all_doors(house)]
        async with watching(observers):
            await asyncio.gather(*(observer.until_events(log.sequence) for observer in observers))
            dead = house.kill("story-server")
            await log.write(ending)
            await asyncio.to_thread(house.until_replaced, "story-server", dead)
        for observer in observers:
            check_log(observer)
        check_equal(observers)
        for window in windows(house):
            for cursor, count in ((log.sequence, 0), (log.sequence - 1, 1)):
                told = await take_all(window.look(log.id, cursor))
                assert ("ended", count) == (told[-1].what, sum(sight.response is not None for sight in told))


async def test_lesson_09_who_comes_late_gets_a_snapshot_and_what_follows(house: System) -> None:
    """Hours of history are told in one event with the text so far; then come the events behind it, and no other.

    artokun/comfyui-mcp-panel #2272: a reconnect flooded the page with all old events, and with progress of the past.
    """
    async with logs(house) as [log]:
        for _ in range(6):
            await log.tell(500)
        for window in windows(house):
            async with aclosing(window.look(log.id, snapshot=True)) as look:
                snapshot = [sight async for sight in _until_told(look)][-1]
                assert log.sequence - SNAPSHOT_REUSE_ENTRIES < snapshot.sequence <= log.sequence, window.name
                assert snapshot.response is not None
                [stage] = snapshot.response.event.snapshot.stages
                assert WORDS * (snapshot.sequence - 3) == stage.text
                await log.tell(2)
                async with asyncio.timeout(20):
                    following = [(await anext(look)).sequence for _ in range(snapshot.sequence, log.sequence)]
                assert list(range(snapshot.sequence + 1, log.sequence + 1)) == following, window.name


async def test_lesson_10_an_unknown_generation_is_not_found(house: System) -> None:
    """Whatever is asked of an id that is not there, or not there any more, the answer is NOT_FOUND and never an end.

    artokun/comfyui-mcp #2507: a job that was lost in a crash was reported as done.
    """
    async with logs(house) as [log], api_of(house) as api:
        await log.end()
        assert httpx.codes.NO_CONTENT == (await api.http.delete(f"/v1/generations/{log.id}")).status_code
        for gone in (UNKNOWN, log.id, "story-1", "nothing"):
            for window in windows(house):
                for cursor, snapshot in ((0, False), (3, False), (0, True)):
                    told = await take_all(window.look(gone, cursor, snapshot=snapshot))
                    assert ["NOT_FOUND"] == [sight.what for sight in told if sight.what != "open"], window.name
            read = await api.http.get(f"/v1/generations/{gone}")
            refused = [await api.command(gone, verb) for verb in ("cancel", "pause", "resume", "retry")]
            for response in (read, *refused):
                assert (404, "NOT_FOUND") == (response.status_code, response.json()["error"]["code"])
        for words in (["watch", UNKNOWN], ["cancel", log.id]):
            assert Exit.NOT_FOUND == (await house.fabula_in_thread(*words)).returncode, words


async def test_lesson_11_a_cancel_wins_and_concerns_one_and_leaving_is_no_cancel(house: System) -> None:
    """A cancel that races the start ends it, twice is once, no other is touched; and watchers may all leave.

    ag-ui #2759: a stop that raced the start was swallowed. InvokeAI #6049: cancelling a waiting item ended the running
    one. vercel/ai #15091: a closed page was taken for a stop.
    """
    chance = seeded()
    async with api_of(house) as api:
        bystander = Observer(await api.start(words=100), all_doors(house))
        async with asyncio.timeout(20), aclosing(all_doors(house)[2].connect(bystander.generation_id, 0)) as page:
            async for response in page:
                if response is not None and response.event.HasField("text_delta"):
                    break  # the only watcher leaves in mid-sentence
        async with asyncio.TaskGroup() as tasks:
            races = [tasks.create_task(_race(api, house, chance)) for _ in range(12)]
        for race in races:
            cancelled = race.result()
            check_log(cancelled)
            assert ["cancel_requested", "cancelled"] == [each for each in bodies(cancelled) if "cancel" in each]
        await bystander.watch()
        check_story(bystander)
        assert "cancel_requested" not in bodies(bystander)


async def _race(api: Api, system: System, chance: random.Random) -> Observer:
    """Start a story, and cancel it after a moment; return what a watcher sees of it."""
    story = await api.start(words=300)
    await asyncio.sleep(chance.uniform(0, 0.2))
    assert httpx.codes.OK == (await api.command(story, "cancel")).status_code
    observer = Observer(story, [chance.choice(all_doors(system))])
    await observer.watch()
    answers = [await api.command(story, "cancel") for _ in range(2)]
    assert [httpx.codes.OK] * 2 == [answer.status_code for answer in answers]
    assert [observer.cursor] * 2 == [answer.json()["lastSequence"] for answer in answers]
    return observer


async def test_lesson_12_a_job_that_kills_its_workers_is_given_up(house: System) -> None:
    """After three dead workers it fails with a reason, and the fourth worker lives and does the next job.

    InvokeAI #6333: an item that crashed the process was taken up again at each start, for ever.
    """
    async with api_of(house) as api:
        poison = Observer(await api.start(words=300), all_doors(house))
        async with watching([poison]):
            for number in (1, 2, 3):
                await poison.until(_claimed(number))
                dead = house.kill("story-worker")
                survivor = await asyncio.to_thread(house.until_replaced, "story-worker", dead)
        check_log(poison)
        failed = poison.events[-1].failed
        assert ("WORKER_DIED", 4) == (failed.failure.code, bodies(poison).count("claimed"))
        after = Observer(await api.start(words=60), all_doors(house))
        await after.watch()
        check_story(after)
        assert survivor == house.pid_of("story-worker")


def _claimed(times: int) -> Callable[[Observer], bool]:
    return lambda seen: times == bodies(seen).count("claimed")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[System]:
    """Run a system that wants to know who calls."""
    with System(tmp_path / "data", words_per_second=READING_PACE, environment={"FABULA_JWT_SECRET": SECRET}) as system:
        yield system


async def test_lesson_13_a_resume_is_refused_to_all_but_the_owner(guarded: System) -> None:
    """With an id, a cursor and a token of their own, others find nothing, though it is being watched at that moment.

    frontmcp GHSA-84j6-jc92-77jm: ownership was checked at the start only, and a replay crossed sessions.
    """
    ada, bob = token("ada"), token("bob")
    async with api_of(guarded) as api, AsyncExitStack() as stack:
        api.http.headers["Authorization"] = f"Bearer {ada}"
        story = await api.start(words=60)
        hers = windows(guarded, ada)
        looks = [await stack.enter_async_context(aclosing(window.look(story))) for window in hers]
        async with asyncio.timeout(20):
            for look in looks:
                while (await anext(look)).sequence < 10:
                    pass
        for stranger, refusal in ((bob, "NOT_FOUND"), ("", "UNAUTHENTICATED")):
            for window in windows(guarded, stranger):
                for cursor, snapshot in ((0, False), (5, False), (1000, False), (0, True)):
                    told = await take_all(window.look(story, cursor, snapshot=snapshot))
                    told = [sight for sight in told if sight.what not in ("open", "lost")]
                    assert [refusal] == [sight.what for sight in told], (window.name, cursor)
        for verb in ("cancel", "pause", "resume", "retry"):
            answer = await api.http.post(f"/v1/generations/{story}:{verb}", headers={"Authorization": f"Bearer {bob}"})
            assert (404, "NOT_FOUND") == (answer.status_code, answer.json()["error"]["code"])
        ends = [await take_all(look) for look in looks]
        assert ["ended"] * len(hers) == [told[-1].what for told in ends]
        for window in hers:
            assert [6, 7] == numbers(await take_events(window.look(story, 5), 2)), window.name


async def test_lesson_14_a_queue_that_is_deleted_on_the_server_is_noticed(house: System) -> None:
    """The worker's consumer vanishes while it waits, and while it works: it goes on, and does each job once.

    Centrifugo #1166: a consumer whose stream was made anew stayed silent, without an error.
    """
    async with api_of(house) as api, journal_of(house) as journal:

        async def delete_all_consumers() -> None:
            names = (await journal.link.ask("CONSUMER.NAMES.FABULA_EVENTS", {}))["consumers"]
            assert consumer_name("story") in names
            for name in names:
                await journal.link.ask(f"CONSUMER.DELETE.FABULA_EVENTS.{name}", {})

        await delete_all_consumers()
        first_story = Observer(await api.start(words=60), all_doors(house))
        async with watching([first_story]):
            await first_story.until_writing("write-1")
            await delete_all_consumers()
            next_story = Observer(await api.start(words=60), all_doors(house))
            await next_story.watch()
        for observer in (first_story, next_story):
            check_story(observer)
            assert 1 == bodies(observer).count("claimed")
