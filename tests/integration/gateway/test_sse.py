"""The door of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integration.gateway.clients import Gateway, SseEvent
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedServer, ScriptedStories, until

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"


async def all_of(events: AsyncIterator[SseEvent]) -> list[SseEvent]:
    """Return all events up to the end of the stream."""
    return [event async for event in events if event.name]


async def test_a_stream_has_every_event_with_its_sequence_as_id(gateway: Gateway, stories: ScriptedStories) -> None:
    """It begins with the time to reconnect, and ends with `ended`."""
    log = stories.new()
    log.write("Once ")
    log.append(succeeded={})
    async with gateway.events(log.id) as (response, events):
        seen = await all_of(events)

    assert 200 == response.status_code
    assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
    assert "no-store" == response.headers["cache-control"]
    assert "no" == response.headers["x-accel-buffering"]
    assert [("event", "1"), ("event", "2"), ("event", "3"), ("ended", "3")] == [(each.name, each.id) for each in seen]
    assert {"stage": "write-1", "text": "Once "} == seen[1].data["response"]["event"]["textDelta"]
    assert {"generationId": log.id, "sequence": 3} == seen[-1].data


async def test_a_stream_opens_at_once_with_its_cursor(gateway: Gateway, stories: ScriptedStories) -> None:
    """Before anything happens the client knows when to come back, and with which cursor."""
    log = stories.new()
    log.write("x")
    async with gateway.events(log.id, "?after=2") as (response, _):
        text = await anext(response.aiter_text())

    assert "retry: 1000\nid: 2\n\n" == text


@pytest.mark.parametrize(
    ("query", "header", "expected"),
    [
        ("", None, [1, 2, 3, 4]),
        ("?after=2", None, [3, 4]),
        ("?after=0", None, [1, 2, 3, 4]),
        ("?after=1", "3", [4]),
        ("?after=3", "1", [2, 3, 4]),
        ("?snapshot=1", "2", [3, 4]),
        ("?conflate=1&after=2", None, [3, 4]),
        ("?after=2.1", None, [3, 4]),  # of another door, which has told a part of the next entry
        ("", "3.1", [4]),
    ],
)
async def test_the_header_goes_before_the_address(
    gateway: Gateway, stories: ScriptedStories, query: str, header: str | None, expected: list[int]
) -> None:
    """A browser that reconnects sends its newest cursor in the header; the address is as old as the page."""
    log = stories.new()
    log.write("a")
    log.write("b")
    log.append(succeeded={})
    headers = {} if header is None else {"Last_Event_ID": header}
    async with gateway.events(log.id, query, **headers) as (_, events):
        seen = await all_of(events)

    assert expected == [int(each.id or 0) for each in seen if each.name == "event"]


async def test_a_stream_that_was_cut_goes_on_by_its_last_id(gateway: Gateway, stories: ScriptedStories) -> None:
    """Cut off again and again, a watcher sees 1…N, each once, and is stopped after the end."""
    log = stories.new()
    for number in range(20):
        log.write(f"{number} ")
    log.append(succeeded={})
    seen: list[int] = []
    last = ""
    while True:
        async with gateway.events(log.id, Last_Event_ID=last) as (response, events):
            if response.status_code == 204:
                break
            count = 0
            async for event in events:
                last = event.id or last
                if event.name == "event":
                    seen.append(int(last))
                    count += 1
                if count == 4:
                    break

    assert list(range(1, 23)) == seen


async def test_who_has_everything_of_an_ended_run_is_answered_204(gateway: Gateway, stories: ScriptedStories) -> None:
    """That stops an EventSource; a retry starts the stream anew."""
    log = stories.new()
    log.append(failed={})
    async with gateway.events(log.id, Last_Event_ID="2") as (response, _):
        assert 204 == response.status_code

    log.append(retried={"from_stage": "write-1"})
    log.append(succeeded={})
    async with gateway.events(log.id, Last_Event_ID="2") as (_, events):
        assert ["3", "4", "4"] == [event.id for event in await all_of(events)]


async def test_a_snapshot_comes_first(gateway: Gateway, stories: ScriptedStories) -> None:
    """Its id is the cursor behind everything that is folded into it."""
    log = stories.new()
    log.write("Once ")
    async with gateway.events(log.id, "?snapshot=1") as (_, events):
        opening, snapshot = await anext(events), await anext(events)
        log.append(succeeded={})
        rest = await all_of(events)

    assert (None, "2") == (opening.id, snapshot.id)
    assert "Once " == snapshot.data["response"]["story"]["text"]
    assert ["3", "3"] == [event.id for event in rest]


async def test_a_foreign_cursor_is_answered_with_a_reset(gateway: Gateway, stories: ScriptedStories) -> None:
    """Never with silence: `reset` with a snapshot, then what follows."""
    log = stories.new()
    async with gateway.events(log.id, "?after=77") as (_, events):
        opening, reset = await anext(events), await anext(events)
        log.append(succeeded={})
        rest = await all_of(events)

    assert None is opening.id
    assert ("reset", "1", 1) == (reset.name, reset.id, reset.data["sequence"])
    assert ["2", "2"] == [event.id for event in rest]


async def test_what_is_not_in_the_log_has_no_id(gateway: Gateway, stories: ScriptedStories) -> None:
    """The cursor stays where it is."""
    log = stories.new()
    async with gateway.events(log.id) as (_, events):
        await anext(events)
        await anext(events)
        log.show(waiting={})
        shown = await anext(events)

    assert ("event", None) == (shown.name, shown.id)


@pytest.mark.parametrize("generation_id", [UNKNOWN, "story-x", "image-1", "nonsense"])
async def test_an_unknown_id_is_refused_before_the_stream_begins(gateway: Gateway, generation_id: str) -> None:
    """404 in the shape of every error, which stops an EventSource."""
    for query in ("", "?after=3", "?snapshot=1"):
        response = await gateway.http.get(f"/v1/generations/{generation_id}/events{query}")
        assert (404, "NOT_FOUND") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?after=99999999999", "?aftr=1", "?snapshot=yes"])
async def test_a_bad_parameter_is_refused(gateway: Gateway, stories: ScriptedStories, query: str) -> None:
    """400, naming the parameter."""
    response = await gateway.http.get(f"/v1/generations/{stories.new().id}/events{query}")

    error = response.json()["error"]
    assert (400, "INVALID_REQUEST") == (response.status_code, error["code"])
    assert error["violations"][0]["field"] == query[1:].partition("=")[0]


async def test_a_connection_serves_a_stream_and_then_something_else(gateway: Gateway, stories: ScriptedStories) -> None:
    """What is told to others meanwhile stays out of the answer that follows; each is framed as it must be."""
    log, other = stories.new(), stories.new(2)
    async with connected(gateway, "1.1", log.id) as (reader, writer), gateway.events(other.id) as (_, others):
        await reader.readuntil(b"retry: 1000\n\n")
        log.write("level")  # told by who follows the log for all
        await reader.readuntil(b"level")
        log.append(succeeded={})
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        other.append(succeeded={})
        answer = await reader.read()
        await all_of(others)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 1 == answer.count(b"HTTP/1.1")
    assert b"event:" not in answer


async def test_a_client_of_http_1_0_gets_no_chunks(gateway: Gateway, stories: ScriptedStories) -> None:
    """They were not known then: its stream ends with the connection."""
    log = stories.new()
    async with connected(gateway, "1.0", log.id) as (reader, _):
        await reader.readuntil(b"retry: 1000\n\n")
        log.write("level")
        log.append(succeeded={})
        rest = await reader.read()

    events = [line for line in rest.split(b"\n") if line.startswith((b"event:", b"id:"))]
    assert [
        b"id: 1",
        b"event: event",
        b"id: 2",
        b"event: event",
        b"id: 3",
        b"event: event",
        b"id: 3",
        b"event: ended",
    ] == events
    assert b"\r" not in rest


@asynccontextmanager
async def connected(
    gateway: Gateway, version: str, generation_id: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask for a stream on a connection of one's own."""
    reader, writer = await asyncio.open_connection(gateway.http.base_url.host, gateway.http.base_url.port)
    try:
        request = f"GET /v1/generations/{generation_id}/events HTTP/{version}\r\nHost: 127.0.0.1\r\n\r\n"
        writer.write(request.encode())
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()


async def test_a_silent_stream_is_kept_alive_by_comments(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """A comment is no event, and keeps proxies from closing the stream."""
    log = stories.new()
    async with (
        open_gateway(server.address, keepalive_seconds=0.05) as gateway,
        gateway.events(log.id, "?after=1") as (response, _),
    ):
        lines = [line async for line, _ in _first(response.aiter_lines(), 6)]

    assert [": still here"] * 2 == [line for line in lines if line.startswith(":")]


async def _first(lines: AsyncIterator[str], count: int) -> AsyncIterator[tuple[str, int]]:
    for number in range(count):
        yield await anext(lines), number


async def test_a_stream_notices_nothing_when_the_service_restarts(
    gateway: Gateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """The stream stays open over the restart and goes on without a hole."""
    log = stories.new()
    async with gateway.events(log.id) as (_, events):
        await anext(events)
        seen = [await anext(events)]
        await server.stop()
        log.write("x")
        await server.start()
        log.append(succeeded={})
        seen += await all_of(events)

    assert ["1", "2", "3", "3"] == [event.id for event in seen]


async def test_a_deletion_is_told_in_the_stream(gateway: Gateway, stories: ScriptedStories) -> None:
    """An event named `problem`, since an EventSource's own errors are named `error`."""
    log = stories.new()
    async with gateway.events(log.id) as (_, events):
        await anext(events)
        await anext(events)
        del stories.logs[log.id]
        log.cut()
        (problem,) = await all_of(events)

    assert ("problem", "NOT_FOUND", None) == (problem.name, problem.data["code"], problem.id)


async def test_leaving_closes_the_watch(gateway: Gateway, stories: ScriptedStories) -> None:
    """A stream that nobody reads any more is not kept."""
    log = stories.new()
    async with gateway.events(log.id) as (_, events):
        await anext(events)
        assert 1 == gateway.house.connections
    await until(lambda: not gateway.house.connections)


async def test_a_gateway_that_ends_ends_its_streams(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """The stream ends properly, without `ended`: an EventSource comes back by itself."""
    log = server.stories.new()
    async with open_gateway(server.address) as gateway, gateway.events(log.id) as (_, events):
        await anext(events)
        await anext(events)
        gateway.server.stop()
        async with asyncio.timeout(gateway.house.settings.drain_seconds):
            assert [] == await all_of(events)


async def test_a_stream_needs_its_owners_token(open_gateway: OpenGateway) -> None:
    """No token 401, another owner's 404 as for an unknown id."""
    guarded = ScriptedServer(ScriptedStories(SECRET))
    await guarded.start()
    log = guarded.stories.new(1, "ada")
    log.append(succeeded={})
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway:
        async with gateway.events(log.id) as (response, _):
            assert (401, "Bearer") == (response.status_code, response.headers["www-authenticate"])
        async with gateway.events(log.id, Authorization=f"Bearer {token('bob')}") as (response, _):
            assert 404 == response.status_code
        async with gateway.events(log.id, Authorization=f"Bearer {token('ada')}") as (_, events):
            assert 3 == len(await all_of(events))
    await guarded.stop()
