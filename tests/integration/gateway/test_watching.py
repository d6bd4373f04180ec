"""What watchers see, whatever happens to their connections and to the service."""

from __future__ import annotations

import asyncio
from typing import Any

from fabula.api.gateway.v1 import gateway_pb2
from fabula.api.story.v1 import story_pb2
from tests.integration.gateway.clients import PROTO, Gateway, sequences
from tests.integration.gateway.conftest import OpenGateway
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories, until


def write(log: ScriptedLog, pieces: int, *, end: bool = False) -> None:
    """Append pieces of text, and the end if asked."""
    for number in range(pieces):
        log.write(f"word{number} ")
    if end:
        log.append(succeeded={})


async def test_a_whole_story_passes_one_socket(gateway: Gateway, stories: ScriptedStories) -> None:
    """The answer comes first, then every event, then the end with the last cursor."""
    log = stories.new()
    write(log, 3, end=True)
    async with gateway.socket() as socket:
        assert {"frameId": "s", "done": {"generationId": log.id}} == await socket.subscribe(log.id)
        frames = await socket.until_end()

    assert [1, 2, 3, 4, 5] == sequences(frames)
    assert {"ended": {"generationId": log.id, "sequence": 5}} == frames[-1]
    text = frames[1]["event"]["response"]
    assert "type.googleapis.com/fabula.api.story.v1.WatchProgressResponse" == text["@type"]
    assert {"stage": "write-1", "text": "word0 "} == text["event"]["textDelta"]


async def test_a_binary_socket_passes_the_services_bytes_unchanged(gateway: Gateway, stories: ScriptedStories) -> None:
    """What stands in the frame is what the service sent, byte for byte."""
    log = stories.new()
    write(log, 1, end=True)
    frames: list[gateway_pb2.ServerFrame] = []
    async with gateway.socket(PROTO) as socket:
        request = gateway_pb2.ClientFrame(frame_id="1", subscribe=gateway_pb2.Subscribe(generation_id=log.id))
        await socket.connection.send(request.SerializeToString())
        while not frames or not frames[-1].HasField("ended"):
            message = await socket.connection.recv()
            assert isinstance(message, bytes)
            frames.append(gateway_pb2.ServerFrame.FromString(message))

    events = [frame.event for frame in frames if frame.HasField("event")]
    assert ["1", "", "", "", ""] == [frame.frame_id for frame in frames]
    assert [response.SerializeToString() for response in log.responses] == [each.response.value for each in events]
    assert {f"type.googleapis.com/{story_pb2.WatchProgressResponse.DESCRIPTOR.full_name}"} == {
        each.response.type_url for each in events
    }


async def test_a_socket_that_was_cut_goes_on_from_its_cursor(gateway: Gateway, stories: ScriptedStories) -> None:
    """Cut off again and again, a watcher sees 1…N, each once."""
    log = stories.new()
    write(log, 30)
    seen: list[int] = []
    for _ in range(5):
        async with gateway.socket() as socket:
            answer = await socket.subscribe(log.id, afterSequence=seen[-1] if seen else 0)
            assert (seen[-1] if seen else 0) == answer["done"].get("sequence", 0)
            seen += sequences(await socket.take(6))
    log.append(succeeded={})
    async with gateway.socket() as socket:
        await socket.subscribe(log.id, afterSequence=seen[-1])
        seen += sequences(await socket.until_end())

    assert list(range(1, 33)) == seen


async def test_watchers_notice_nothing_when_the_service_restarts(
    gateway: Gateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """The service is stopped and started in the middle; both watchers see 1…N, each once, with no other frame."""
    log = stories.new()
    write(log, 5)
    async with gateway.socket() as first, gateway.socket() as second:
        await first.subscribe(log.id)
        await second.subscribe(log.id, afterSequence=2)
        seen = [await first.take(6), await second.take(4)]
        await server.stop()
        write(log, 5)
        await server.start()
        write(log, 5, end=True)
        seen[0] += await first.until_end()
        seen[1] += await second.until_end()

    assert [list(range(1, 18)), list(range(3, 18))] == [sequences(frames) for frames in seen]
    assert [18, 16] == [len(frames) for frames in seen]


async def test_watchers_notice_nothing_when_the_upstream_is_cut_again_and_again(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """Every upstream watch ends after three messages, and still everything comes, once."""
    log = stories.new()
    write(log, 20, end=True)
    stories.faults.cut_after = 3
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        frames = await socket.until_end()

    assert list(range(1, 23)) == sequences(frames)
    assert [0, 3, 6] == [watch.after_sequence for watch in stories.watches][:3]


async def test_a_cursor_stays_good_over_a_restart_of_the_service(
    gateway: Gateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """Who comes back with the newest cursor right after a restart is not told to start over."""
    log = stories.new()
    write(log, 5)
    await server.stop()
    await server.start()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id, afterSequence=6)
        log.append(succeeded={})

        assert [7] == sequences(await socket.until_end())


async def test_twenty_watchers_share_one_upstream_watch(gateway: Gateway, stories: ScriptedStories) -> None:
    """Twenty sockets and streams, early and late ones, cost the service one watch; it outlives a short absence."""
    log = stories.new()

    async def watch(after: int) -> list[int]:
        async with gateway.socket() as socket:
            await socket.subscribe(log.id, afterSequence=after)
            return sequences(await socket.until_end())

    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(watch(0)) for _ in range(10)]
        await until(lambda: _watches(gateway) == 10)
        write(log, 10)
        watchers += [tasks.create_task(watch(3)) for _ in range(10)]
        await until(lambda: _watches(gateway) == 20)
        write(log, 10, end=True)

    assert [list(range(1, 23))] * 10 + [list(range(4, 23))] * 10 == [watcher.result() for watcher in watchers]
    assert 1 == len(stories.watches)


async def test_an_upstream_watch_outlives_a_reload(gateway: Gateway, stories: ScriptedStories) -> None:
    """A page that is gone for a moment finds the same upstream watch again."""
    log = stories.new()
    for after in range(3):
        async with gateway.socket() as socket:
            await socket.subscribe(log.id, afterSequence=after)
            log.write("x")
            await socket.take(1)

    assert 1 == len(stories.watches)


async def test_an_upstream_watch_is_let_go_when_nobody_comes_back(gateway: Gateway, stories: ScriptedStories) -> None:
    """A few seconds after the last watcher has left, the service has no watch to serve."""
    gateway.house.hub._linger_seconds = 0.05
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(1)
        assert 1 == stories.open_watches

    await until(lambda: stories.open_watches == 0)


async def test_a_snapshot_comes_before_what_follows(gateway: Gateway, stories: ScriptedStories) -> None:
    """The first event holds the text so far; the next one is the first after it."""
    log = stories.new()
    write(log, 100)
    async with gateway.socket() as socket:
        assert {"generationId": log.id} == (await socket.subscribe(log.id, snapshot=True))["done"]
        (snapshot,) = await socket.take(1)
        write(log, 1, end=True)
        frames = await socket.until_end()

    assert 101 == snapshot["event"]["sequence"]
    assert "snapshot" in snapshot["event"]["response"]["event"]
    assert "".join(f"word{number} " for number in range(100)) == snapshot["event"]["response"]["story"]["text"]
    assert [102, 103] == sequences(frames)


async def test_watchers_that_come_at_once_share_a_snapshot(gateway: Gateway, stories: ScriptedStories) -> None:
    """A crowd that opens the same page costs the service one fold, and nobody misses anything."""
    log = stories.new()
    write(log, 10)
    async with gateway.socket() as first:
        await first.subscribe(log.id, snapshot=True)
        await first.take(1)
        write(log, 5)
        await first.take(5)
        async with gateway.socket() as second:
            await second.subscribe(log.id, snapshot=True)
            frames = await second.take(6)
            log.append(succeeded={})
            frames += await second.until_end()

    assert [11, *range(12, 18)] == sequences(frames)
    assert 1 == sum(watch.snapshot for watch in stories.watches)


async def test_a_snapshot_of_an_ended_run_is_all_there_is(gateway: Gateway, stories: ScriptedStories) -> None:
    """The snapshot is followed by the end, without a further watch."""
    log = stories.new()
    write(log, 3, end=True)
    async with gateway.socket() as socket:
        await socket.subscribe(log.id, snapshot=True)
        frames = await socket.until_end()

    assert [5] == sequences(frames)
    assert {"ended": {"generationId": log.id, "sequence": 5}} == frames[-1]
    assert 1 == len(stories.watches)


async def test_a_cursor_ahead_of_the_log_is_answered_with_a_reset(gateway: Gateway, stories: ScriptedStories) -> None:
    """A foreign cursor is never met with silence: a snapshot to start over from, then what follows."""
    log = stories.new()
    write(log, 3)
    async with gateway.socket() as socket:
        assert {"generationId": log.id} == (await socket.subscribe(log.id, afterSequence=1000))["done"]
        (reset,) = await socket.take(1)
        write(log, 1, end=True)
        frames = await socket.until_end()

    assert 4 == reset["reset"]["sequence"]
    assert "the cursor is ahead of the log" == reset["reset"]["reason"]
    assert "word0 word1 word2 " == reset["reset"]["response"]["story"]["text"]
    assert [5, 6] == sequences(frames)


async def test_a_reset_is_not_taken_for_a_snapshot(gateway: Gateway, stories: ScriptedStories) -> None:
    """Who asks for a snapshot after somebody else's reset is not told to start over."""
    log = stories.new()
    write(log, 3)
    async with gateway.socket() as lost, gateway.socket() as fresh:
        await lost.subscribe(log.id, afterSequence=1000)
        await lost.take(1)
        await fresh.subscribe(log.id, snapshot=True)
        (snapshot,) = await fresh.take(1)

    assert "snapshot" in snapshot["event"]["response"]["event"]


async def test_a_log_that_is_lost_under_the_gateway_resets_every_watcher(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """The service answers the gateway's own cursor with a reset: all watchers start over from it, and go on."""
    log = stories.new()
    write(log, 5)
    async with gateway.socket() as first, gateway.socket() as second:
        for socket in (first, second):
            await socket.subscribe(log.id)
            await socket.take(6)
        stories.faults.reset_next = 1
        log.cut()
        resets = [(await socket.take(1))[0] for socket in (first, second)]
        log.append(succeeded={})
        frames = [await socket.until_end() for socket in (first, second)]

    assert [6, 6] == [reset["reset"]["sequence"] for reset in resets]
    assert [[7], [7]] == [sequences(each) for each in frames]


async def test_a_deleted_generation_ends_its_watches(gateway: Gateway, stories: ScriptedStories) -> None:
    """A watcher is told that it is gone; nothing hangs."""
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(1)
        del stories.logs[log.id]
        log.cut()
        frames = await socket.until_end()

    assert ("NOT_FOUND", log.id) == (frames[-1]["error"]["code"], frames[-1]["error"]["generationId"])


async def test_conflation_spares_superseded_progress_only(gateway: Gateway, stories: ScriptedStories) -> None:
    """Of progress that waits in the log only the last is sent; text and state all are."""
    log = stories.new()
    for step in range(10):
        log.append(advanced={"stage": "write-1", "step": step})
    write(log, 2, end=True)
    async with gateway.socket() as every:
        await every.subscribe(log.id)
        await every.take(14)
    async with gateway.socket() as socket:
        await socket.subscribe(log.id, conflate=True)
        frames = await socket.until_end()

    kept = sequences(frames)
    assert kept == sorted(set(kept))
    assert {1, 12, 13, 14} <= set(kept)


async def test_what_is_not_in_the_log_passes_without_a_sequence(gateway: Gateway, stories: ScriptedStories) -> None:
    """The place in the queue comes as it changes, and does not move the cursor."""
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(1)
        log.show(waiting={})
        (frame,) = await socket.take(1)
        log.append(succeeded={})
        frames = await socket.until_end()

    assert "sequence" not in frame["event"]
    assert "waiting" in frame["event"]["response"]["event"]
    assert [2] == sequences(frames)


async def test_a_retried_run_is_watched_from_the_old_cursor(gateway: Gateway, stories: ScriptedStories) -> None:
    """After the end of a failed run a watcher comes back behind it, and sees the new run."""
    log = stories.new()
    log.append(failed={"stage": "write-1"})
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        assert [1, 2] == sequences(await socket.until_end())
        await socket.subscribe(log.id, afterSequence=2)
        assert [] == sequences(await socket.until_end())
        log.append(retried={"from_stage": "write-1"})
        await socket.subscribe(log.id, afterSequence=2)
        log.append(succeeded={})

        assert [3, 4] == sequences(await socket.until_end())


async def test_a_log_of_two_runs_is_watched_to_its_last_end(gateway: Gateway, stories: ScriptedStories) -> None:
    """From the start, the end of the failed run is not taken for the end of the log, by nobody who shares the tail."""
    log = stories.new()
    log.append(failed={"stage": "write-1"})
    log.append(retried={"from_stage": "write-1"})
    write(log, 5, end=True)
    async with gateway.socket() as first, gateway.socket() as second:
        for socket in (first, second):
            await socket.subscribe(log.id)

        assert list(range(1, 10)) == sequences(await first.until_end())
        assert list(range(1, 10)) == sequences(await second.until_end())


async def test_many_generations_share_a_socket(gateway: Gateway, stories: ScriptedStories) -> None:
    """Their events come in turns, each in its own order, and the end of one is not the end of the others."""
    logs = [stories.new(number) for number in range(1, 9)]
    async with gateway.socket() as socket:
        for log in logs:
            await socket.send(frameId=log.id, subscribe={"generationId": log.id})
        for log in logs:
            write(log, 5, end=True)
        frames: list[dict[str, Any]] = []
        while sum("ended" in frame for frame in frames) < len(logs):
            frames.append(await socket.next())

    for log in logs:
        mine = [frame for frame in frames if frame.get("event", {}).get("generationId") == log.id]
        assert list(range(1, 8)) == sequences(mine)


async def test_nothing_comes_after_unsubscribing(gateway: Gateway, stories: ScriptedStories) -> None:
    """The answer is the last frame of a subscription that was given up."""
    log, other = stories.new(1), stories.new(2)
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(1)
        await socket.send(frameId="u", unsubscribe={"generationId": log.id})
        assert {"frameId": "u", "done": {"generationId": log.id}} == await socket.next()
        write(log, 3, end=True)
        other.append(succeeded={})
        await socket.subscribe(other.id)
        frames = await socket.until_end()

    assert {other.id} == {frame["event"]["generationId"] for frame in frames if "event" in frame}


async def test_a_slow_reader_holds_nobody_up_and_loses_nothing(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """One client does not read while another gets 12 MB; then it reads 1…N, though memory has let most of it go."""
    log, count = stories.new(), 200
    async with (
        open_gateway(server.address) as gateway,
        gateway.socket(max_queue=1) as slow,
        gateway.socket() as fast,
    ):
        await slow.subscribe(log.id)
        await fast.subscribe(log.id)
        for _ in range(count):
            log.write("x" * 60_000)
        log.append(succeeded={})
        assert list(range(1, count + 3)) == sequences(await fast.until_end())
        (shared,) = gateway.house.hub._shared.values()
        assert shared.tail._bytes < 1_000_000

        assert list(range(1, count + 3)) == sequences(await slow.until_end())


async def test_who_comes_while_the_service_restarts_is_kept_waiting_for_a_moment(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """A watch that is opened during a short outage opens when it is over."""
    log = stories.new()
    log.append(succeeded={})
    stories.faults.silent = 2
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)

        assert [1, 2] == sequences(await socket.until_end())


def _watches(gateway: Gateway) -> float:
    value = gateway.house.metrics.registry.get_sample_value("fabula_gateway_watches")
    return value or 0.0
