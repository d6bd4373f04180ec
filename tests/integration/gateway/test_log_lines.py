"""The readable log of a generation: as JSON, as lines, and live at both native doors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from gateway.doors import log_lines
from tests.integration.gateway.clients import Gateway, SseEvent
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories, until

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"
WARNING = {"message": "short of memory", "level": "LOG_LEVEL_WARNING"}


def begun(stories: ScriptedStories) -> ScriptedLog:
    """Return a log of seven entries, four of which are lines: 1, 2, 5 and 6."""
    log = stories.new()
    log.append(stage_started={"stage": "outline"})
    log.write("Once ")
    log.write("upon ")
    log.append(log_line={"message": "thinking"})
    log.append(log_line=WARNING)
    log.write("a time")
    return log


async def read(gateway: Gateway, path: str, **headers: str) -> httpx.Response:
    """Read a log."""
    return await gateway.http.get(path, headers=headers)


def messages(lines: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return the lines in short."""
    return [(each["sequence"], each["level"], each["message"]) for each in lines]


async def test_a_log_is_read_as_json(gateway: Gateway, stories: ScriptedStories) -> None:
    """What there is now, with the cursor for what follows, at the address of any kind and at that of its own."""
    log = begun(stories)
    answers = [(await read(gateway, f"/v1/{name}/{log.id}/log")).json() for name in ("generations", "stories")]

    assert answers[0] == answers[1]
    assert [
        (1, "INFO", "accepted"),
        (2, "INFO", "outline begins"),
        (5, "INFO", "thinking"),
        (6, "WARNING", "short of memory"),
    ] == messages(answers[0]["lines"])
    assert "outline" == answers[0]["lines"][1]["stage"]
    assert answers[0]["lines"][1]["time"].endswith("Z")
    assert {"sequence": 7, "more": False, "ended": False} == {
        name: answers[0][name] for name in ("sequence", "more", "ended")
    }


async def test_only_important_lines_are_read(gateway: Gateway, stories: ScriptedStories) -> None:
    """From a cursor; at the end of an ended run it says so."""
    log = begun(stories)
    log.append(failed={"failure": {"code": "C", "message": "no"}})
    path = f"/v1/generations/{log.id}/log"
    warnings = (await read(gateway, f"{path}?level=warning")).json()
    rest = (await read(gateway, f"{path}?level=ERROR&after=6")).json()
    nothing = (await read(gateway, f"{path}?after=8")).json()

    assert [(6, "WARNING", "short of memory"), (8, "ERROR", "failed: no [C]")] == messages(warnings["lines"])
    assert [8] == [each["sequence"] for each in rest["lines"]]
    assert {"lines": [], "sequence": 8, "more": False, "ended": True} == nothing


async def test_a_long_log_is_read_in_pieces(
    gateway: Gateway, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the cursor of the next; none is lost or told twice."""
    monkeypatch.setattr(log_lines, "MOST_LINES", 3)
    log = begun(stories)
    for number in range(5):
        log.append(log_line={"message": str(number)})
    log.append(succeeded={})
    pieces, after = [], 0
    while True:
        piece = (await read(gateway, f"/v1/generations/{log.id}/log?after={after}")).json()
        pieces.append([each["sequence"] for each in piece["lines"]])
        after = piece["sequence"]
        if not piece["more"]:
            break

    assert [[1, 2, 5], [6, 8, 9], [10, 11, 12], [13]] == pieces
    assert piece["ended"]


async def test_the_document_says_in_which_forms_a_log_is_read(gateway: Gateway, stories: ScriptedStories) -> None:
    """Whatever is accepted, by the same parameters; `snapshot` leaves out all that was."""
    described = (await gateway.http.get("/v1/openapi.json")).json()["paths"]["/v1/stories/{id}/log"]["get"]
    log = begun(stories)
    path = f"/v1/stories/{log.id}/log?snapshot"
    answer = described["responses"]["200"]["content"]

    assert ["application/json", log_lines.LINES, log_lines.EVENT_STREAM] == list(answer)
    assert "line" == answer[log_lines.EVENT_STREAM]["schema"]["oneOf"][0]["properties"]["event"]["const"]
    assert {"after", "level", "snapshot", "ticket"} <= {each["name"] for each in described["parameters"]}
    assert {"lines": [], "sequence": 7, "more": False, "ended": False} == (await read(gateway, path)).json()
    assert "" == (await read(gateway, path, accept=log_lines.LINES)).text


async def test_a_log_is_read_as_lines_of_json(gateway: Gateway, stories: ScriptedStories) -> None:
    """For programs that read lines; all of them."""
    log = begun(stories)
    response = await read(gateway, f"/v1/generations/{log.id}/log", accept="application/x-ndjson")
    lines = [json.loads(line) for line in response.text.splitlines()]

    assert "application/x-ndjson" == response.headers["content-type"]
    assert [1, 2, 5, 6] == [line["sequence"] for line in lines]
    assert lines == (await read(gateway, f"/v1/generations/{log.id}/log")).json()["lines"]


async def test_lines_are_cut_off_when_the_token_expires(open_gateway: OpenGateway) -> None:
    """However slowly they are read: no place is kept by it."""
    server = ScriptedServer(ScriptedStories(SECRET))
    await server.start()
    log = server.stories.new(1, "ada")
    for _ in range(400):
        log.append(log_line={"message": "x" * 50_000})  # more than systems keep for a reader
    async with open_gateway(server.address, generators=("story",), jwt_secret=SECRET) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.house.settings.http_port)
        ask = f"GET /v1/generations/{log.id}/log HTTP/1.1\r\nhost: {gateway.host}\r\naccept: application/x-ndjson\r\n"
        writer.write(f"{ask}authorization: Bearer {token('ada', 3 - int(CLOCK_SKEW_SECONDS))}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert 1 == gateway.house.connections
        await until(lambda: not gateway.house.connections)
        rest = await reader.read()
        writer.close()
    await server.stop()

    assert not rest.endswith(b"0\r\n\r\n")
    assert len(rest) < 400 * 50_000


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/generations/{UNKNOWN}/log", 404),
        (f"/v1/generations/{UNKNOWN}/log/events", 404),
        ("/v1/images/{id}/log", 404),
        ("/v1/images/{id}/log/events", 404),
        ("/v1/generations/{id}/log?after=8", 400),
        ("/v1/generations/{id}/log?level=LOUD", 400),
        ("/v1/generations/{id}/log?lines=8", 400),
        ("/v1/generations/{id}/log/events?conflate=1", 400),
    ],
)
async def test_what_cannot_be_read_is_refused(
    gateway: Gateway, stories: ScriptedStories, path: str, status: int
) -> None:
    """A story is no picture, and a cursor ahead of the log is none of it."""
    log = begun(stories)
    assert status == (await read(gateway, path.format(id=log.id))).status_code


async def all_of(events: AsyncIterator[SseEvent]) -> list[SseEvent]:
    """Return all events up to the end of the stream."""
    return [event async for event in events if event.name]


@pytest.mark.parametrize(
    ("path", "accept"), [("/log/events", "*/*"), ("/log", "text/event-stream")], ids=["address", "media type"]
)
async def test_lines_are_told_live(gateway: Gateway, stories: ScriptedStories, path: str, accept: str) -> None:
    """Their ids are native sequences; entries that are no lines are spared."""
    log = begun(stories)
    async with gateway.stream(f"/v1/stories/{log.id}{path}?after=2", Accept=accept) as (_, events):
        there = [await anext(events) for _ in range(3)]
        log.write("…")
        log.append(log_line={"message": "live"})
        live = await anext(events)
        log.append(succeeded={})
        rest = await all_of(events)

    assert [("", "2"), ("line", "5"), ("line", "6")] == [(each.name, each.id) for each in there]
    assert ("line", "9", "live") == (live.name, live.id, live.data["message"])
    assert [("line", "10"), ("ended", "10")] == [(each.name, each.id) for each in rest]


async def test_a_cut_stream_of_lines_goes_on_by_its_last_id(gateway: Gateway, stories: ScriptedStories) -> None:
    """And who has all of an ended run is answered 204."""
    log = begun(stories)
    log.append(succeeded={})
    path = f"/v1/generations/{log.id}/log/events?level=WARNING"
    async with gateway.stream(path, Last_Event_ID="5") as (_, events):
        first = await all_of(events)
    async with gateway.stream(path, Last_Event_ID="8") as (response, _):
        assert 204 == response.status_code

    assert [("line", "6"), ("ended", "8")] == [(each.name, each.id) for each in first]


async def test_only_lines_to_come_are_told(gateway: Gateway, stories: ScriptedStories) -> None:
    """With `snapshot`: of what was, the cursor alone comes."""
    log = begun(stories)
    async with gateway.stream(f"/v1/generations/{log.id}/log/events?snapshot=1") as (_, events):
        opening, cursor = await anext(events), await anext(events)
        log.append(log_line={"message": "new"})
        line = await anext(events)

    assert [("", None), ("", "7"), ("line", "8")] == [(each.name, each.id) for each in (opening, cursor, line)]


async def test_a_cursor_ahead_of_the_log_starts_over(gateway: Gateway, stories: ScriptedStories) -> None:
    """The event says so, without all that the log has made."""
    log = begun(stories)
    async with gateway.stream(f"/v1/generations/{log.id}/log/events?after=99") as (_, events):
        _, reset = await anext(events), await anext(events)
        log.append(log_line={"message": "new"})
        line = await anext(events)

    assert ("reset", "7") == (reset.name, reset.id)
    assert {"generationId", "sequence", "reason"} == reset.data.keys()
    assert "8" == line.id


@pytest.mark.parametrize("plain", [False, True], ids=["pipe", "plain ASGI"])
async def test_a_socket_gets_only_lines(
    gateway: Gateway, stories: ScriptedStories, open_gateway: Any, server: Any, *, plain: bool
) -> None:
    """Those of before and those to come, as frames of their own; their sequences have gaps."""
    log = begun(stories)
    async with open_gateway(server.address, plain=plain) as other, other.socket() as socket:
        answer = await socket.subscribe(log.id, onlyLog={})
        there = await socket.take(4)
        for number in range(3):
            log.write(str(number))
        log.append(log_line={"message": "live"})
        live = await socket.next()
        log.append(succeeded={})
        rest = await socket.take(2)

    assert {"frameId": "s", "done": {"generationId": log.id}} == answer
    assert [1, 2, 5, 6] == [frame["log"]["line"]["sequence"] for frame in there]
    assert {"generationId": log.id, "line": live["log"]["line"]} == live["log"]
    assert (11, "INFO", "live") == messages([live["log"]["line"]])[0]
    assert [12, 12] == [rest[0]["log"]["line"]["sequence"], rest[1]["ended"]["sequence"]]


async def test_a_socket_gets_only_important_lines_to_come(gateway: Gateway, stories: ScriptedStories) -> None:
    """A snapshot is no line: with it nothing comes of what was. A level that is none is refused."""
    log = begun(stories)
    async with gateway.socket() as socket:
        await socket.subscribe(log.id, onlyLog={"level": "WARNING"}, snapshot=True)
        log.append(log_line={"message": "too quiet"})
        log.append(log_line=WARNING)
        frame = await socket.next()
        await socket.send(frameId="x", subscribe={"generationId": log.id, "onlyLog": {"level": "LOUD"}})
        refused = await socket.next()

    assert 9 == frame["log"]["line"]["sequence"]
    assert "subscribe.onlyLog.level" == refused["error"]["violations"][0]["field"]


async def test_two_on_one_log_get_what_each_has_asked_for(gateway: Gateway, stories: ScriptedStories) -> None:
    """Lines for one, events for the other, of the same upstream watch."""
    log = begun(stories)
    async with gateway.socket() as lines, gateway.socket() as everything:
        await lines.subscribe(log.id, onlyLog={}, afterSequence=7)
        await everything.subscribe(log.id, afterSequence=7)
        log.append(log_line={"message": "m"})
        line, event = await lines.next(), await everything.next()

    assert (8, 8) == (line["log"]["line"]["sequence"], event["event"]["sequence"])
    assert "m" == event["event"]["response"]["event"]["logLine"]["message"]


async def test_pictures_have_logs_too(gateway: Gateway, images: ScriptedImages) -> None:
    """Previews are no lines."""
    log = images.new()
    log.show(preview={"image": b"x"})
    assert [1] == [each["sequence"] for each in (await read(gateway, f"/v1/images/{log.id}/log")).json()["lines"]]
