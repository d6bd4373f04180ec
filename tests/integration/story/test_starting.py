from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import AlreadyExists, InvalidRequest, NotFound
from tests.integration.story.house import House, first, open_house, story

# Nothing works here: what is started waits.
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_same_request_twice_is_one_generation(idle_house: House) -> None:
    """A start is repeated without harm: same id and request, same generation, nothing new in the log."""
    user = idle_house.user()

    once = await user.call("StartGeneration", request_id="r-1", story=story())
    twice = await user.call("StartGeneration", request_id="r-1", story=story())

    assert once == twice
    assert (gen.STATE_QUEUED, 1, "r-1") == (
        once.generation.state,
        once.generation.last_sequence,
        once.generation.request_id,
    )
    assert [once.generation.id] == await user.listed()


async def test_another_request_under_the_same_id_is_refused(idle_house: House) -> None:
    """The id is taken, the first generation stays as it is, and the answer names it."""
    user = idle_house.user()
    id_ = await user.start(story("Ann counts boats."), request_id="r-1")

    with pytest.raises(AlreadyExists) as caught:
        await user.start(story("Ben counts ships."), request_id="r-1")

    assert id_ == caught.value.details["id"]
    assert "Ann counts boats." == (await user.get(id_)).title
    assert [id_] == await user.listed()


async def test_concurrent_twins_are_one_generation(idle_house: House) -> None:
    """However many starts with one id come at once, one generation is queued once."""
    user = idle_house.user()
    async with asyncio.TaskGroup() as tasks:
        starts = [tasks.create_task(user.start(story(), request_id="twin")) for _ in range(20)]

    ids = {start.result() for start in starts}

    assert list(ids) == await user.listed()
    assert 1 == (await user.get(ids.pop())).last_sequence


async def test_of_concurrent_rivals_one_wins(idle_house: House) -> None:
    """Different requests under one id: one is accepted, every other is told that the id is taken."""
    user = idle_house.user()
    starts = [user.start(story(f"Ann counts {number} boats."), request_id="rival") for number in range(8)]

    results = await asyncio.gather(*starts, return_exceptions=True)

    won = [result for result in results if isinstance(result, str)]
    assert (1, 7) == (len(won), sum(isinstance(result, AlreadyExists) for result in results))
    assert won == await user.listed()


async def test_without_a_request_id_every_start_is_a_story_of_its_own(idle_house: House) -> None:
    """The server draws an id each time, and tells it."""
    user = idle_house.user()

    generations = [(await user.call("StartGeneration", story=story())).generation for _ in range(2)]

    assert 2 == len({generation.id for generation in generations})
    assert 2 == len({generation.request_id for generation in generations} - {""})


async def test_request_ids_are_every_owners_own(idle_house: House) -> None:
    """The same id of two owners names two generations."""
    ann, ben = idle_house.user(), idle_house.user()

    assert await ann.start(request_id="r-1") != await ben.start(request_id="r-1")


async def test_a_request_id_that_was_deleted_stays_burnt(idle_house: House) -> None:
    """A late retry of a start does not bring a deleted generation back; the answer says what happened."""
    user = idle_house.user()
    wanted = story(source=pb.Source(text="Once there was a boat."))
    id_ = await user.start(wanted, request_id="r-1")
    await user.call("DeleteGeneration", generation_id=id_)

    with pytest.raises(AlreadyExists, match="deleted: draw a new one"):
        await user.start(wanted, request_id="r-1")

    assert [] == await user.listed()


async def test_no_source_is_left_behind_of_what_was_deleted(idle_house: House) -> None:
    """The text that a late retry brings along is removed again."""
    user = idle_house.user()
    wanted = story(source=pb.Source(name="boats.txt", text="Once there was a boat."))
    id_ = await user.start(wanted, request_id="r-1")
    stored = (await user.call("GetGeneration", generation_id=id_)).request.source.stored
    assert b"Once there was a boat." == await idle_house.journal.blobs.get(stored.name)

    await user.call("DeleteGeneration", generation_id=id_)
    with pytest.raises(AlreadyExists):
        await user.start(wanted, request_id="r-1")

    with pytest.raises(NotFound):
        await idle_house.journal.blobs.get(stored.name)


async def test_a_story_is_made_again_of_a_source_that_is_kept(idle_house: House) -> None:
    """By its reference; it is kept once more, so that either story may be deleted; nobody else's can be named."""
    user, other = idle_house.user(), idle_house.user()
    first_id = await user.start(story(source=pb.Source(name="boats.txt", text="Once there was a boat.")))
    asked = (await user.call("GetGeneration", generation_id=first_id)).request
    asked.ClearField("seed")
    second_id = await user.start(asked)
    with pytest.raises(InvalidRequest, match="no such source in your stories"):
        await other.start(asked)
    await user.call("DeleteGeneration", generation_id=first_id)
    with pytest.raises(InvalidRequest, match="no such source in your stories"):
        await user.start(asked)

    again = (await user.call("GetGeneration", generation_id=second_id)).request
    assert b"Once there was a boat." == await idle_house.journal.blobs.get(again.source.stored.name)
    assert ("boats.txt", asked.source.stored.sha256) == (again.source.name, again.source.stored.sha256)
    assert asked.source.stored.name != again.source.stored.name


async def test_the_log_shows_the_request_with_its_defaults(idle_house: House) -> None:
    """What was left out is filled in as the contract promises, and the source is a reference."""
    user = idle_house.user()
    id_ = await user.start(
        pb.StoryRequest(premise=" Ann ", source=pb.Source(name="a.txt", data="Größe".encode("cp1252")))
    )

    accepted = (await first(user.watch(generation_id=id_), 1))[0]
    shown = (await user.call("GetGeneration", generation_id=id_)).request

    assert shown == accepted.request
    assert ("Ann", "en", 600, False, 2) == (
        shown.premise,
        shown.language,
        shown.words,
        shown.HasField("chapters"),
        shown.revisions,
    )
    assert shown.HasField("seed")
    assert ("a.txt", 7) == (shown.source.name, shown.source.stored.size_bytes)
    assert shown.source.WhichOneof("content") is None


async def test_the_trace_of_the_request_is_in_its_events(idle_house: House) -> None:
    """The trace id of the caller's W3C header stands in the log; what is no trace id does not."""
    user, trace = idle_house.user(), uuid4().hex

    for header, expected in (
        (f"00-{trace}-00f067aa0ba902b7-01", trace),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{trace.upper()}-00f067aa0ba902b7-01", "" if trace.upper() != trace else trace),
        ("nonsense", ""),
    ):
        caller = type(user.caller)(user.caller.token, header)
        traced = type(user)(user.client, caller)
        id_ = await traced.start()
        assert expected == (await first(traced.watch(generation_id=id_), 1))[0].event.trace_id


async def test_a_waiting_story_tells_its_place_in_the_queue(nats_url: str) -> None:
    """While nobody works, watchers hear how many go before them; the events are not part of the log."""
    async with open_house(nats_url, working=False) as house:
        user = house.user()
        ids = [await user.start() for _ in range(2)]
        news = await first(user.watch(generation_id=ids[1]), 2)

    waiting = news[1].event
    assert ("accepted", "waiting") == (news[0].event.WhichOneof("body"), waiting.WhichOneof("body"))
    assert (0, gen.STATE_QUEUED) == (waiting.sequence, waiting.state)
    assert waiting.progress.queue_position >= 1
