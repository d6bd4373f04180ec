from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import uuid4

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import FabulaError, InvalidRequest, NotFound
from fabula.rpc.kinds import STORY
from tests.integration.story.house import House, User, bodies, first, sequences, story, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_watch_tells_the_whole_log_and_ends_with_ok(house: House, user: User) -> None:
    """From the start, every event 1 to N comes once, the last one ends the run, and nothing follows it."""
    id_ = await user.start(story(house.script().premise))

    log = await user.log(id_)

    assert list(range(1, len(log) + 1)) == sequences(log)
    assert ("accepted", "succeeded") == (bodies(log)[0], bodies(log)[-1])
    assert 1.0 == log[-1].event.progress.fraction
    assert log[-1].story.chapters[0].text == text_of(log, "write-1").strip()
    assert "scripted" == log[-1].story.model


async def test_a_watch_of_an_ended_run_ends_at_once_wherever_its_cursor_stands(house: House, user: User) -> None:
    """Who has everything, down to the terminal event, is told that it is over: with OK, and with no event."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    async with asyncio.timeout(5):
        assert [] == await user.log(id_, after_sequence=len(whole))
        assert whole[-1:] == await user.log(id_, after_sequence=len(whole) - 1)
        assert whole == await user.log(id_)


async def test_a_watcher_that_comes_back_gets_exactly_what_follows_its_cursor(house: House, user: User) -> None:
    """For every cursor, what was seen and what comes then are together the whole log, byte for byte."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    for cursor in range(len(whole)):
        assert whole[cursor:] == await user.log(id_, after_sequence=cursor)


async def test_a_watcher_that_comes_back_in_the_middle_loses_nothing(house: House, user: User) -> None:
    """A watch that is cut off while the story is written goes on behind its last event."""
    script = house.script(hold_before=4)
    id_ = await user.start(story(script.premise))
    await script.held.wait()
    before = [r for r in await first(user.watch(generation_id=id_), 6) if r.event.sequence]

    script.go.set()
    after = await user.log(id_, after_sequence=before[-1].event.sequence)

    assert await user.log(id_) == before + after


async def test_a_snapshot_holds_the_text_so_far_and_the_rest_makes_it_whole(house: House, user: User) -> None:
    """In mid-story one event tells state, stages and text so far; the deltas behind it continue exactly there."""
    script = house.script(hold_before=4)
    id_ = await user.start(story(script.premise))
    await script.held.wait()
    written = "".join(script.pieces[:4])
    await user.has_written(id_, written.strip())

    async with asyncio.timeout(20), aclosing(user.watch(generation_id=id_, snapshot=True)) as watch:
        snapshot = await anext(watch)
        script.go.set()
        rest = [response async for response in watch if response.event.sequence]

    view = snapshot.event.snapshot.stages[-1]
    assert ("write-1", False, written) == (view.stage, view.finished, view.text)
    assert gen.STATE_RUNNING == snapshot.event.state
    assert written in snapshot.story.text
    assert "The boats" == snapshot.story.outline.chapters[0].title
    deltas = [r.event.text_delta for r in rest if r.event.HasField("text_delta")]
    assert len(written) == deltas[0].offset
    assert "".join(script.pieces) == written + "".join(delta.text for delta in deltas)
    assert list(range(snapshot.event.sequence + 1, rest[-1].event.sequence + 1)) == sequences(rest)


async def test_a_snapshot_of_an_ended_story_is_all_there_is(house: House, user: User) -> None:
    """The fold of the whole log holds the result, and the watch ends behind it."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    only = await user.log(id_, snapshot=True)

    assert ["snapshot"] == bodies(only)
    assert (len(whole), gen.STATE_SUCCEEDED) == (only[0].event.sequence, only[0].event.state)
    assert whole[-1].story == only[0].story


async def test_a_cursor_goes_before_a_snapshot(house: House, user: User) -> None:
    """Who has a cursor gets what follows it, even if a snapshot is asked for as well."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    assert whole[3:] == await user.log(id_, snapshot=True, after_sequence=3)


@pytest.mark.parametrize("beyond", [1, 1000, 2**32 - 1])
async def test_a_cursor_that_the_log_has_not_reached_is_answered_with_a_reset(
    house: House, user: User, beyond: int
) -> None:
    """A cursor of another life of the log gets a snapshot that says so, never silence; then the watch ends."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    answer = await user.log(id_, after_sequence=min(len(whole) + beyond, 2**32 - 1))

    assert ["reset"] == bodies(answer)
    assert "ahead of the log" in answer[0].event.reset.reason
    assert len(whole) == answer[0].event.sequence
    assert whole[-1].story == answer[0].story


async def test_a_reset_in_mid_story_is_followed_by_what_comes(house: House, user: User) -> None:
    """The sequence of a reset is a good cursor: the watch goes on behind it without a gap."""
    script = house.script(hold_before=2)
    id_ = await user.start(story(script.premise))
    await script.held.wait()

    async with asyncio.timeout(20), aclosing(user.watch(generation_id=id_, after_sequence=999)) as watch:
        reset = await anext(watch)
        script.go.set()
        rest = [response async for response in watch if response.event.sequence]

    assert "reset" == reset.event.WhichOneof("body")
    assert list(range(reset.event.sequence + 1, rest[-1].event.sequence + 1)) == sequences(rest)
    assert "succeeded" == bodies(rest)[-1]


async def test_a_conflating_watcher_is_spared_nothing_but_superseded_progress(house: House, user: User) -> None:
    """Text and state all come, in order; what is missing is progress that something follows."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    conflated = await user.log(id_, conflate=True)

    spared = [response for response in whole if response not in conflated]
    assert {"advanced"} >= set(bodies(spared))
    assert [response for response in whole if response not in spared] == conflated
    assert whole[-1] == conflated[-1]


async def test_a_watcher_may_come_before_the_story(house: House, user: User) -> None:
    """By the request id it is going to be started with, a story is watched from its first event."""
    request_id = str(uuid4())
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(user.watched(request_id=request_id, wait_for_start=True))
        id_ = await user.start(story(house.script().premise), request_id=request_id)

    watched = [response for response in watching.result() if response.event.sequence]
    assert id_ == watched[0].event.generation_id
    assert await user.log(id_) == watched


async def test_a_watch_by_request_id_is_the_same_watch(house: House, user: User) -> None:
    """Behind a request id and a generation id lies the same log."""
    id_ = await user.start(story(house.script().premise), request_id="mine")

    assert await user.log(id_) == [r for r in await user.watched(request_id="mine") if r.event.sequence]


async def test_who_does_not_want_to_wait_is_told_that_there_is_nothing(user: User) -> None:
    """An unknown id, by either name, is not found at once."""
    with pytest.raises(NotFound):
        await user.watched(request_id=str(uuid4()))
    with pytest.raises(NotFound):
        await user.watched(generation_id=f"story-{uuid4()}")


async def test_a_watch_of_something_deleted_says_so(house: House, user: User) -> None:
    """When a generation is deleted its watchers are told that it is not there any more."""
    script = house.script(hold_before=1)
    id_ = await user.start(story(script.premise))
    await script.held.wait()
    await user.call("CancelGeneration", generation_id=id_)
    script.go.set()
    await user.log(id_)
    await user.call("DeleteGeneration", generation_id=id_)

    for waiting in (False, True):
        with pytest.raises(NotFound) as caught:
            await user.watched(generation_id=id_, wait_for_start=waiting)
        assert id_ in caught.value.details.values()


async def test_a_run_after_a_retry_belongs_to_the_same_log(house: House, user: User) -> None:
    """A watch from the start goes over the failed run's end and ends with the last run's."""
    script = house.script(hold_before=2, failure=_failure())
    id_ = await user.start(story(script.premise))
    script.go.set()
    failed = await user.log(id_)
    await user.call("RetryGeneration", generation_id=id_)
    await user.log(id_, after_sequence=failed[-1].event.sequence)

    whole = await user.log(id_)

    assert ("failed", "retried") == (bodies(failed)[-1], bodies(whole)[len(failed)])
    assert failed == whole[: len(failed)]
    assert "succeeded" == bodies(whole)[-1]
    for cursor in range(len(whole)):
        assert whole[cursor:] == await user.log(id_, after_sequence=cursor)


async def test_a_stream_stands_before_its_first_event(idle_house: House) -> None:
    """The initial metadata come at once, so a client knows that its watch was accepted and waits."""
    user = idle_house.user()
    method = idle_house.channel.unary_stream(
        STORY.path("WatchProgress"),
        request_serializer=pb.WatchProgressRequest.SerializeToString,
        response_deserializer=pb.WatchProgressResponse.FromString,
    )
    call = method(pb.WatchProgressRequest(request_id=str(uuid4()), wait_for_start=True), metadata=user.caller.metadata)

    await asyncio.wait_for(call.initial_metadata(), 5)

    assert not call.done()
    call.cancel()


async def test_fifty_watchers_see_the_same(house: House) -> None:
    """However many watch, each gets every event, once, in order, the same bytes."""
    user = house.user()
    script = house.script(hold_before=3)
    id_ = await user.start(story(script.premise))
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(user.log(id_)) for _ in range(50)]
        await script.held.wait()
        script.go.set()

    logs = [task.result() for task in watching]
    assert list(range(1, len(logs[0]) + 1)) == sequences(logs[0])
    assert all(log == logs[0] for log in logs)


def _failure() -> FabulaError:
    return InvalidRequest("the model does not like boats")
