"""Cancel, pause, resume, retry and delete on a whole system, with watchers at every door."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from websockets.asyncio.client import connect

from fabula.api.gateway.v1.gateway_pb2 import Cancel, ClientFrame
from fabula.api.story.v1.story_pb2 import CancelGenerationRequest
from fabula.rpc.client import Client, open_channel
from fabula.rpc.kinds import STORY
from tests.e2e.conftest import READING_PACE
from tests.e2e.doors import NOBODY, WebSocketDoor
from tests.e2e.observer import (
    Observer,
    all_doors,
    bodies,
    check_equal,
    check_log,
    check_story,
    stages,
    texts_of,
)
from tests.e2e.pauses import check_pause, check_resumed, paused, restart, resume
from tests.e2e.stories import Api, api_of, watching
from tests.proof import record, runs, seeded, share_of
from tests.system import System

CROWDS = 20
"""In a proof; sixteen cancels each."""

Canceller = Callable[[System, str], Awaitable[None]]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system whose worker does one story at a time."""
    environment = {"FABULA_WORKER_SLOTS": "1"}
    folder = tmp_path_factory.mktemp("narrow") / "data"
    with System(folder, words_per_second=READING_PACE, environment=environment) as system:
        yield system


async def by_rest(system: System, story: str) -> None:
    """Cancel with a POST."""
    async with api_of(system) as api:
        assert httpx.codes.OK == (await api.command(story, "cancel")).status_code


async def by_grpc(system: System, story: str) -> None:
    """Cancel with a call."""
    async with open_channel(system.story_address) as channel:
        request = CancelGenerationRequest(generation_id=story)
        await Client(STORY, channel).call("CancelGeneration", request, NOBODY)


async def by_websocket(system: System, story: str) -> None:
    """Cancel with a frame."""
    door = WebSocketDoor(system.url)
    async with connect(f"ws{system.url.removeprefix('http')}/v1/ws") as socket:
        await socket.send(door.encode(ClientFrame(frame_id="9", cancel=Cancel(generation_id=story))))
        frame = door.decode(await socket.recv())
        assert ("9", "done") == (frame.frame_id, frame.WhichOneof("frame"))


@pytest.mark.parametrize("cancel", [by_rest, by_grpc, by_websocket])
async def test_a_story_is_cancelled_in_mid_sentence(house: System, cancel: Canceller) -> None:
    """It ends within a word or so, what is written stays readable, and nothing comes after the end."""
    async with api_of(house) as api:
        story = await api.start(words=300)
        observers = [Observer(story, [door]) for door in all_doors(house)]
        async with watching(observers):
            await observers[0].until_writing("write-1")
            await observers[0].until(lambda seen: not texts_of(seen.events)["write-1"].rstrip().endswith((".", '"')))
            written = len(texts_of(observers[0].events)["write-1"].split())
            await cancel(house, story)

        for observer in observers:
            check_log(observer)
        check_equal(observers)
        assert ["cancel_requested", "cancelled"] == [each for each in bodies(observers[0]) if "cancel" in each]
        text = texts_of(observers[0].events)["write-1"]
        assert len(text.split()) <= written + READING_PACE, "it did not stop within a second"
        await stays_ended(house, api, observers[0], "CANCELLED", text)


async def stays_ended(system: System, api: Api, observer: Observer, state: str, text: str) -> None:
    """Check that a log stands still, at every door, and that the text so far can be read."""
    found = await api.read(observer.generation_id)
    assert (f"STATE_{state}", observer.cursor) == (found["generation"]["state"], found["generation"]["lastSequence"])
    assert [text] == [chapter["text"] for chapter in found["story"]["chapters"]]
    again = [Observer(observer.generation_id, [door], responses=list(observer.responses)) for door in all_doors(system)]
    async with watching(again):
        pass
    check_equal([observer, *again])


async def test_a_cancel_at_any_moment_wins(house: System) -> None:
    """However soon or late after the start it comes, and however many ask: the story is cancelled, once."""
    chance = seeded()
    async with api_of(house) as api:
        for _ in range(5):
            story = await api.start(words=100)
            observer = Observer(story, all_doors(house)[:1])
            async with watching([observer]):
                await observer.until_events(chance.randint(0, 12))
                async with asyncio.TaskGroup() as tasks:
                    for cancel in (by_rest, by_grpc, by_websocket):
                        tasks.create_task(cancel(house, story))
            check_log(observer)
            assert ["cancel_requested", "cancelled"] == [each for each in bodies(observer) if "cancel" in each]
            await by_rest(house, story)
            assert observer.cursor == (await api.read(story))["generation"]["lastSequence"]


@pytest.mark.proof
@pytest.mark.timeout(60 + 10 * share_of(CROWDS))
async def test_a_cancel_that_races_the_start_wins(house: System) -> None:
    """Of a crowd that starts at once most are cancelled within moments, at any door: those end, and no other does."""
    ends: list[float] = []
    waiting = 0
    for run in runs("cancels that race starts", CROWDS):
        async with api_of(house) as api, asyncio.TaskGroup() as tasks:
            racing = [tasks.create_task(race(api, house, run.chance)) for _ in range(16)]
            others = [Observer(await api.start(words=60), all_doors(house)) for _ in range(4)]
            for other in others:
                tasks.create_task(other.watch())
        for other in others:
            check_story(other)
            assert "cancel_requested" not in bodies(other)
        for task in racing:
            cancelled = task.result()
            if "claimed" in bodies(cancelled):
                ends.append(seconds_to_obey(cancelled))
            else:
                waiting += 1
    record(
        what="a cancel that races the start, and how long a worker takes to obey",
        runs=len(ends) + waiting,
        outcome="CANCELLED, once; the stories beside it SUCCEEDED",
        seconds=ends,
        figures={"before any worker took it": waiting},
    )


async def race(api: Api, system: System, chance: random.Random) -> Observer:
    """Start a story and cancel it a moment later; return a watcher that has seen the end."""
    story = await api.start(words=300)
    observer = Observer(story, [chance.choice(all_doors(system))])
    async with watching([observer]):
        await asyncio.sleep(chance.choice([0, chance.uniform(0, 0.05), chance.uniform(0, 0.5)]))
        await chance.choice([by_rest, by_grpc, by_websocket])(system, story)
        answered = (await api.read(story))["generation"]["lastSequence"]
    check_log(observer)
    assert ["cancel_requested", "cancelled"] == [each for each in bodies(observer) if "cancel" in each]
    words = "".join(event.text_delta.text for event in observer.events[answered:]).split()
    assert len(words) <= READING_PACE, "it ran on for more than a second"
    await by_rest(system, story)
    assert observer.cursor == (await api.read(story))["generation"]["lastSequence"]
    return observer


def seconds_to_obey(observer: Observer) -> float:
    """Return how long after the request the end was written."""
    times = {event.WhichOneof("body"): event.time.ToNanoseconds() / 1e9 for event in observer.events}
    return times["cancelled"] - times["cancel_requested"]


async def test_a_queued_story_is_cancelled_and_no_other_is_touched(narrow: System) -> None:
    """Of three stories before one worker the second is cancelled while it waits; the first and third succeed."""
    async with api_of(narrow) as api:
        first, second, third = [await api.start(words=100, seed=seed) for seed in (1, 2, 3)]
        running, queued, last = (Observer(story, all_doors(narrow)) for story in (first, second, third))
        async with watching([running, queued, last]):
            await running.until_writing("write-1")
            await queued.until(lambda seen: bool(seen.aside))
            assert ["accepted"] == bodies(queued)
            assert 0 == queued.aside[-1].event.progress.queue_position
            assert httpx.codes.OK == (await api.command(second, "cancel")).status_code

        assert ["accepted", "cancel_requested", "cancelled"] == bodies(queued)
        check_log(queued)
        for untouched in (running, last):
            check_story(untouched)
            assert "cancel_requested" not in bodies(untouched)
        assert bodies(last).index("claimed") == 1


async def test_a_pause_outlives_a_restart_of_everything(narrow: System) -> None:
    """Paused in mid-chapter it frees the worker; all processes stop, or are killed; the text goes on where it was."""
    async with api_of(narrow) as api:
        story = await api.start(words=160, chapters=2)
        observers = [Observer(story, [door]) for door in all_doors(narrow)]
        async with watching(observers):
            await observers[0].until_writing("write-1")
            first = await paused(api, observers)
            between = Observer(await api.start(words=60), all_doors(narrow)[:1])
            await between.watch()
            check_story(between)
            await restart(narrow, signal.SIGTERM)
            await check_pause(api, first)
            await resume(api, story)

            await observers[0].until_writing("write-2")
            second = await paused(api, observers)
            await restart(narrow, signal.SIGKILL)
            await check_pause(api, second)
            await resume(api, story)
        check_resumed(observers, first, second)


async def test_a_queued_story_waits_while_it_is_paused(narrow: System) -> None:
    """Paused before any worker took it, it is passed over by the next one, and taken after it is resumed."""
    async with api_of(narrow) as api:
        first, second, third = [await api.start(words=60, seed=seed) for seed in (1, 2, 3)]
        observers = [Observer(story, all_doors(narrow)) for story in (first, second, third)]
        async with watching(observers):
            await observers[0].until_writing("write-1", words=1)
            assert httpx.codes.OK == (await api.command(second, "pause")).status_code
            await observers[2].until(lambda seen: seen.ended)
            assert ["accepted", "pause_requested", "paused"] == bodies(observers[1])
            assert httpx.codes.OK == (await api.command(second, "resume")).status_code
        for observer in observers:
            check_story(observer)


async def test_a_system_that_is_stopped_hands_its_story_back(narrow: System) -> None:
    """Ctrl-C in mid-story: the worker hands it back, and goes on with it in mid-chapter after the next start."""
    async with api_of(narrow) as api:
        story = await api.start(words=160, chapters=2)
        observers = [Observer(story, [door]) for door in all_doors(narrow)]
        async with watching(observers):
            await observers[0].until_writing("write-2")
            assert 0 == await asyncio.to_thread(narrow.stop)
            await asyncio.to_thread(narrow.start)
        for observer in observers:
            check_story(observer)
        check_equal(observers)
        turns = [each for each in bodies(observers[0]) if each in ("claimed", "released")]
        assert ["claimed", "released", "claimed"] == turns
        assert stages(observers[0], "stage_started") == stages(observers[0], "stage_finished")


async def test_a_deleted_story_is_gone_everywhere(house: System) -> None:
    """A running one is refused; an ended one is gone from reads, lists and watches; deleting twice is the same."""
    async with api_of(house) as api:
        kept, story = await api.start(words=60), await api.start(words=300)
        observer = Observer(story, all_doors(house)[:1])
        async with watching([observer]):
            await observer.until_writing("write-1")
            refused = await api.http.delete(f"/v1/generations/{story}")
            assert (409, "FAILED_PRECONDITION") == (refused.status_code, refused.json()["error"]["code"])
            await by_rest(house, story)
        check_log(observer)

        for _ in range(2):
            assert 204 == (await api.http.delete(f"/v1/generations/{story}")).status_code
        for path in (f"/v1/generations/{story}", f"/v1/generations/{story}/events"):
            gone = await api.http.get(path)
            assert (404, "NOT_FOUND") == (gone.status_code, gone.json()["error"]["code"])
        assert kept in await api.ids()
        assert story not in await api.ids()
        other = Observer(kept, all_doors(house)[:1])
        await other.watch()
        check_story(other)
