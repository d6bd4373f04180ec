"""Server-sent events as the HTML standard has them ("Server-sent events", sections 9.2.4 to 9.2.6), byte by byte."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import httpx
import pytest

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conformance.conftest import LOOSE, NUMBERS
from tests.integration.gateway.conftest import running_gateway
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD = [
    "a\r\nb",
    "\n\n",
    "\r",
    "data: x\n\nevent: evil\nid: 99\n\n",
    "\ufeff",
    "\u2028\u2029\x85",
    "a\0b",
    ": no\n",
    "😀é",
]


@dataclass(slots=True)
class EventSource:
    """What the standard makes of a stream.

    Attributes:
        events: Type, data and last event id of each event.
        last_id: What would be sent when coming back.
        retry: Milliseconds until then.
        comments: How many lines were comments.
    """

    events: list[tuple[str, str, str]] = field(default_factory=list)
    last_id: str = ""
    retry: int | None = None
    comments: int = 0

    def read(self, stream: bytes) -> None:
        """Interpret a stream to its end."""
        text = stream.decode("utf-8").removeprefix("\ufeff")
        data, kind, pending = "", "", self.last_id
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            name, colon, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                self.last_id = pending
                if data:
                    self.events.append((kind or "message", data.removesuffix("\n"), pending))
                data, kind = "", ""
            elif not name and colon:
                self.comments += 1
            elif name == "event":
                kind = value
            elif name == "data":
                data += value + "\n"
            elif name == "id" and "\0" not in value:
                pending = value
            elif name == "retry" and value.isascii() and value.isdigit():
                self.retry = int(value)
            else:
                raise AssertionError(f"a line that means nothing: {line!r}")


def odd_story(services: ScriptedServer) -> ScriptedLog:
    """Return a story in which there is everything that lines may stumble over."""
    assert isinstance(services.stories, ScriptedStories)
    log = services.stories.new(next(NUMBERS))
    for text in ODD:
        log.write(text)
    log.append(succeeded={})
    return log


async def read(gateway: Gateway, path: str, **headers: str) -> tuple[httpx.Response, EventSource]:
    """Read a stream that ends."""
    response = await gateway.http.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    source = EventSource()
    source.read(response.content)
    return response, source


async def test_nothing_in_a_text_ends_an_event_early(shared: Gateway, services: ScriptedServer) -> None:
    """Each event comes with its id, its data is whole, and lines end in one way only."""
    log = odd_story(services)
    response, source = await read(shared, f"/v1/generations/{log.id}/events")

    assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
    assert ("no-store", "no") == (response.headers["cache-control"], response.headers["x-accel-buffering"])
    assert response.content.startswith(b"retry: ")
    assert not {b"\r", b"\0", b"\xef\xbb\xbf"} & {response.content[n : n + 1] for n in range(len(response.content))}
    assert response.content.endswith(b"\n\n")
    assert 1000 == source.retry
    contents = [json.loads(data)["response"]["event"] for kind, data, _ in source.events if kind == "event"]
    texts = [each["textDelta"]["text"] for each in contents if "textDelta" in each]
    assert ODD == texts
    ids = [id_ for kind, _, id_ in source.events if kind != "ended"]
    assert [str(number) for number in range(1, len(ids) + 1)] == ids
    assert "ended" == source.events[-1][0]


async def test_who_comes_back_gets_the_rest_and_is_stopped_at_the_end(
    shared: Gateway, services: ScriptedServer
) -> None:
    """From each id on; 204 is the only answer after which an EventSource does not come again."""
    log = odd_story(services)
    path = f"/v1/generations/{log.id}/events"
    _, whole = await read(shared, path)
    for id_ in ("1", "4", str(len(ODD))):
        _, rest = await read(shared, f"{path}?after=0", last_event_id=id_)
        assert whole.events[int(id_) :] == rest.events
    stopped = await shared.http.get(path, headers={"last-event-id": whole.last_id})

    assert (204, b"") == (stopped.status_code, stopped.content)


@pytest.mark.parametrize("id_", ["x", "-1", "1.x", "9" * 30, "1 2", "1,2"])
async def test_an_id_that_is_none_of_ours_is_refused(shared: Gateway, services: ScriptedServer, id_: str) -> None:
    """Before the stream begins; an EventSource does not come again after that either."""
    response = await shared.http.get(f"/v1/generations/{odd_story(services).id}/events", headers={"last-event-id": id_})

    assert (400, "application/json") == (response.status_code, response.headers["content-type"])


async def test_signs_of_life_are_comments(services: ScriptedServer) -> None:
    """They are no events, and change no id; the cursor is said before there is any event, so that it is kept."""
    assert isinstance(services.stories, ScriptedStories)
    log = services.stories.new(next(NUMBERS))
    async with running_gateway(services.address, keepalive_seconds=0.1, **LOOSE) as gateway:
        source, data = EventSource(), b""
        async with gateway.http.stream("GET", f"/v1/generations/{log.id}/events?after=1") as response:
            async for piece in response.aiter_raw():
                data += piece
                if data.count(b"\n:") >= 2:
                    break
        source.read(data)

    assert ([], "1", True) == (source.events, source.last_id, source.comments >= 2)


async def test_streams_of_other_families_follow_the_same_rules(shared: Gateway, services: ScriptedServer) -> None:
    """No line that means nothing, and the end when all is told."""
    log = odd_story(services)
    response, source = await read(shared, f"/run/stream/{log.id}")

    assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert source.events
    stopped = await shared.http.get(f"/run/stream/{log.id}", headers={"last-event-id": source.last_id})
    assert (204, b"") == (stopped.status_code, stopped.content)
