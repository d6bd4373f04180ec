"""Several generations on one stream of server-sent events, and by one frame on one socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.doors.websocket import MOST_SUBSCRIPTIONS
from tests.integration.gateway.clients import Gateway, SseEvent, sequences
from tests.integration.gateway.conftest import OpenGateway
from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories, until

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"


def path_of(*parts: str | ScriptedLog) -> str:
    """Return the address of the stream of these generations."""
    return "/v1/events?" + "&".join(f"id={part if isinstance(part, str) else part.id}" for part in parts)


async def all_of(events: AsyncIterator[SseEvent]) -> list[SseEvent]:
    """Return all events up to the end of the stream."""
    return [event async for event in events if event.name]


def of(log: ScriptedLog, events: list[SseEvent]) -> list[int]:
    """Return the sequences of one generation's events."""
    mine = [event.data for event in events if event.name == "event"]
    return [data["sequence"] for data in mine if data["generationId"] == log.id]


async def test_one_stream_has_all_events_of_several(
    gateway: Gateway, stories: ScriptedStories, images: ScriptedImages
) -> None:
    """Of any kinds; every id holds the cursors of all, in the order of the address."""
    story, picture = stories.new(1), images.new(2)
    story.write("Once ")
    async with gateway.stream(path_of(f"{story.id}:1", picture)) as (response, events):
        opening, first, second = await anext(events), await anext(events), await anext(events)
        story.append(succeeded={})
        ends = [await anext(events), await anext(events)]
        picture.append(failed={})
        rest = await all_of(events)

    assert 200 == response.status_code
    assert "1.0" == opening.id
    assert {"2.1"} <= {first.id, second.id}
    assert [("event", "3.1"), ("ended", "3.1")] == [(each.name, each.id) for each in ends]
    assert [("event", "3.2"), ("ended", "3.2")] == [(each.name, each.id) for each in rest]
    assert ([2, 3], [1, 2]) == (of(story, [first, second, *ends]), of(picture, [first, second, *rest]))


async def test_a_stream_that_was_cut_goes_on_by_its_last_id(gateway: Gateway, stories: ScriptedStories) -> None:
    """Cut off again and again, a watcher sees 1…N of each, each once, and is stopped after the end."""
    logs = [stories.new(number) for number in (1, 2, 3)]
    for length, log in enumerate(logs, 4):
        for number in range(length):
            log.write(f"{number} ")
        log.append(succeeded={})
    seen: list[SseEvent] = []
    last, connections = "", 0
    while True:
        async with gateway.stream(path_of(*logs), Last_Event_ID=last) as (response, events):
            if response.status_code == 204:
                break
            connections += 1
            async for event in events:
                last = event.id or last
                if event.name == "event":
                    seen.append(event)
                    if len(seen) % 4 == 0:
                        break

    assert [list(range(1, length + 3)) for length in (4, 5, 6)] == [of(log, seen) for log in logs]
    assert connections > 4
    assert "6.7.8" == last


async def test_one_that_is_not_there_does_not_keep_the_others_away(gateway: Gateway, stories: ScriptedStories) -> None:
    """It is told of; who comes back after the others' ends is stopped."""
    log = stories.new(1)
    log.append(succeeded={})
    async with gateway.stream(path_of(UNKNOWN, log)) as (_, events):
        seen = await all_of(events)
    async with gateway.stream(path_of(UNKNOWN, log), Last_Event_ID="0.2") as (response, _):
        assert 204 == response.status_code

    async with gateway.stream(path_of(UNKNOWN, f"{log.id}:2")) as (_, events):
        assert {"problem", "ended"} == {each.name for each in await all_of(events)}

    problem = next(each for each in seen if each.name == "problem")
    assert (UNKNOWN, "NOT_FOUND") == (problem.data["generationId"], problem.data["code"])
    assert [1, 2] == of(log, seen)
    assert 404 == (await gateway.http.get(path_of(UNKNOWN))).status_code


async def test_previews_leave_the_cursors_where_they_are(gateway: Gateway, images: ScriptedImages) -> None:
    """They are not part of a log, and have no id; when the client leaves, nothing is watched any longer."""
    log = images.new(1)
    async with gateway.stream(path_of(log)) as (_, events):
        seen = [await anext(events), await anext(events)]
        log.show(preview={"image": b"x"})
        seen.append(await anext(events))
        log.append(log_line={"message": "m"})
        seen.append(await anext(events))
        log.show(preview={"image": b"y"})
        await anext(events)
        log.append(succeeded={})
        seen.append(await anext(events))
    await until(lambda: not gateway.house.hub._watchers)

    assert ["0", "1", None, "2", "3"] == [each.id for each in seen]


async def test_an_event_of_one_keeps_the_cursors_of_the_others(gateway: Gateway, images: ScriptedImages) -> None:
    """Also after one of them has shown a preview."""
    log, other = images.new(1), images.new(2)
    async with gateway.stream(path_of(f"{log.id}:1", f"{other.id}:1")) as (_, events):
        await anext(events)
        log.show(preview={"image": b"x"})
        preview = await anext(events)
        other.append(succeeded={})
        event = await anext(events)

    assert (None, "1.2") == (preview.id, event.id)


async def test_what_may_be_had_later_refuses_the_whole_stream(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """So that the client comes back for all; and nothing is left open."""
    busy, free = stories.new(1), stories.new(2)
    async with open_gateway(server.address, max_watchers=1) as gateway, gateway.events(busy.id) as (_, events):
        await anext(events)
        refused = await gateway.http.get(path_of(free, busy))
        async with gateway.stream(path_of(free)) as (response, _):
            assert 200 == response.status_code

    assert (429, "RESOURCE_EXHAUSTED") == (refused.status_code, refused.json()["error"]["code"])


async def test_the_stream_ends_when_the_gateway_does(gateway: Gateway, stories: ScriptedStories) -> None:
    """The client comes back by itself, with all its cursors."""
    log, other = stories.new(1), stories.new(2)
    async with gateway.stream(path_of(log, other)) as (_, events):
        for _ in range(3):
            await anext(events)
        gateway.house.close()  # as when the gateway is restarted
        assert [] == await all_of(events)


async def test_snapshots_come_first_where_there_is_no_cursor(gateway: Gateway, stories: ScriptedStories) -> None:
    """Who has a cursor gets what follows it."""
    fresh, seen = stories.new(1), stories.new(2)
    for log in (fresh, seen):
        log.write("x")
    async with gateway.stream(f"{path_of(fresh, f'{seen.id}:1')}&snapshot=1&conflate=1") as (_, events):
        _, first, second = await anext(events), await anext(events), await anext(events)

    bodies = {each.data["generationId"]: each.data["response"]["event"].keys() for each in (first, second)}
    assert "snapshot" in bodies[fresh.id]
    assert "textDelta" in bodies[seen.id]


@pytest.mark.parametrize(
    ("query", "header", "field"),
    [
        ("", None, "id"),
        (f"id={UNKNOWN}:x", None, "id"),
        (f"id={UNKNOWN}&id={UNKNOWN}:3", None, "id"),
        (f"id={UNKNOWN}", "1.2", "Last-Event-ID"),
        (f"id={UNKNOWN}", "x", "Last-Event-ID"),
        (f"id={UNKNOWN}&after=3", None, "after"),
        ("&".join(f"id=story-{number}" for number in range(MOST_SUBSCRIPTIONS + 1)), None, "id"),
    ],
)
async def test_what_is_no_list_of_generations_is_refused(
    gateway: Gateway, query: str, header: str | None, field: str
) -> None:
    """With the parameter that is wrong."""
    headers = {} if header is None else {"last-event-id": header}
    response = await gateway.http.get(f"/v1/events?{query}", headers=headers)

    assert (400, field) == (response.status_code, response.json()["error"]["violations"][0]["field"])


async def test_one_frame_subscribes_to_many(gateway: Gateway, stories: ScriptedStories) -> None:
    """Each is answered for itself, with the frame's id; one that is not there is no matter of the others."""
    logs = [stories.new(number) for number in range(1, MOST_SUBSCRIPTIONS)]
    wishes = [{"generationId": log.id} for log in logs] + [{"generationId": UNKNOWN}]
    answers: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    async with gateway.socket() as socket:
        await socket.send(frameId="m", subscribeMany={"subscriptions": wishes})
        while len(answers) + len(events) < 2 * len(logs) + 1:
            frame = await socket.next()
            (answers if frame.get("frameId") == "m" else events).append(frame)
        logs[7].write("x")
        live = await socket.next()

    done = {frame["done"]["generationId"] for frame in answers if "done" in frame}
    assert {log.id for log in logs} == done
    assert [UNKNOWN] == [frame["error"]["generationId"] for frame in answers if "error" in frame]
    assert [1] * len(logs) == sequences(events)
    assert logs[7].id == live["event"]["generationId"]


@pytest.mark.parametrize(
    "ids", [[], [UNKNOWN, UNKNOWN], [f"story-{number}" for number in range(65)]], ids=["none", "twice", "too many"]
)
async def test_a_frame_for_many_that_is_wrong_subscribes_to_none(gateway: Gateway, ids: list[str]) -> None:
    """It is answered once."""
    async with gateway.socket() as socket:
        await socket.send(frameId="m", subscribeMany={"subscriptions": [{"generationId": id_} for id_ in ids]})
        answer = await socket.next()
        await socket.send(frameId="u", unsubscribe={"generationId": "x"})
        assert "u" == (await socket.next())["frameId"]

    assert ("m", "INVALID_REQUEST") == (answer["frameId"], answer["error"]["code"])
    assert "subscribeMany.subscriptions" == answer["error"]["violations"][0]["field"]
