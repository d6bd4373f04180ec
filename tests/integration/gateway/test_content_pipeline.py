"""Family D before a real story service: texts by one request, as streams of events or all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import FabulaError
from fabula.journal.embedded import EmbeddedServer
from gateway.doors import dialect_events
from tests.integration.gateway.clients import Gateway, SseEvent
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.plain_clients import streamed
from tests.integration.gateway.test_expiry import SOON
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, token
from tests.scripted_service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"
METADATA = [
    "generation_id", "title", "genre", "word_count", "chapters", "attempts", "validated", "issues", "model", "seed",
    "elapsed_seconds",
]  # fmt: skip
ALL = [
    ("progress", "load_prompts", 10),
    ("progress", "generator", 30),
    ("draft", "generator", 50),
    ("progress", "formatter", 60),
    ("progress", "validator", 80),
    ("progress", "done", 100),
    ("complete", None, None),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker that writes by scripts."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened
        opened.release()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway before it."""
    settings: dict[str, Any] = {"generators": ("story",), "jwt_secret": SECRET, "keepalive_seconds": 0.3}
    async with running_gateway(house.address, **settings) as running:
        yield running


@pytest.fixture
def ann(house: House) -> User:
    """Somebody who has no texts yet."""
    return house.user()


def body(premise: str = "Ann counts boats.", **more: Any) -> dict[str, Any]:
    """Return a request for a short text."""
    return {"topic": premise, "length": 60, "chapters": 1, "seed": 1, "tone": "calm", "unknown": [], **more}


def bearer(user: User) -> dict[str, str]:
    """Return the headers of their requests."""
    return {"authorization": f"Bearer {user.caller.token}"}


def shape(events: list[SseEvent]) -> list[tuple[str, Any, Any]]:
    """Return what events are about."""
    return [(event.name, event.data.get("stage"), event.data.get("progress")) for event in events]


async def all_of(events: AsyncIterator[SseEvent]) -> list[SseEvent]:
    """Return the events until the stream ends."""
    async with asyncio.timeout(20):
        return [event async for event in events]


async def test_a_text_is_streamed_to_its_end(gateway: Gateway, ann: User) -> None:
    """Events, keys and orders as the contract has them; the blocking call answers what the stream ends with."""
    async with streamed(gateway, body(request_id="r"), ann.caller.token) as (response, stream):
        events = await all_of(stream)
    whole = await gateway.http.post("/run", json=body(request_id="r"), headers=bearer(ann))

    assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert ALL == shape(events)
    assert ["stage", "message", "progress"] == list(events[0].data)
    assert ["stage", "message", "progress", "draft"] == list(events[2].data)
    assert ["success", "output", "metadata"] == list(events[-1].data)
    assert METADATA == list(events[-1].data["metadata"])
    assert "Ann came down to the harbour" in events[2].data["draft"]
    assert (200, events[-1].data) == (whole.status_code, whole.json())
    id_ = response.headers["x-generation-id"]
    assert id_ == whole.headers["x-generation-id"] == events[-1].data["metadata"]["generation_id"]
    assert f"/run/stream/{id_}" == response.headers["location"]


async def test_every_cut_is_taken_up_where_it_was(gateway: Gateway, ann: User) -> None:
    """By repeating the request, and by the generation's address: each event once, whatever was the last one had."""
    async with streamed(gateway, body(request_id="r"), ann.caller.token) as (response, stream):
        events = await all_of(stream)
    id_ = response.headers["x-generation-id"]
    ids = [str(event.id) for event in events]
    assert len(set(ids)) == len(ids)
    assert ids[-2].endswith(".1")  # the last two come of one entry

    for number, last in enumerate(ids[:-1], 1):
        async with streamed(gateway, body(request_id="r"), ann.caller.token, Last_Event_ID=last) as (_, stream):
            assert events[number:] == await all_of(stream)
        async with streamed(gateway, None, ann.caller.token, f"/run/stream/{id_}?after={last}") as (_, stream):
            assert events[number:] == await all_of(stream)
    for address, asked in (("/run/stream", body(request_id="r")), (f"/run/stream/{id_}", None)):
        async with streamed(gateway, asked, ann.caller.token, address, Last_Event_ID=ids[-1]) as (response, _):
            assert 204 == response.status_code


async def test_a_live_stream_is_lost_and_taken_up_again(gateway: Gateway, house: House, ann: User) -> None:
    """A disconnect cancels nothing; the one that stayed and the one that came back have been told the same."""
    script = house.script(hold_before=1)
    asked = body(script.premise)
    async with streamed(gateway, asked, ann.caller.token, Idempotency_Key="k") as (_, staying):
        stayed = [await anext(staying), await anext(staying)]
        async with streamed(gateway, asked, ann.caller.token, Idempotency_Key="k") as (_, leaving):
            left = [await anext(leaving), await anext(leaving)]
        assert stayed == left
        script.go.set()
        stayed += await all_of(staying)
    last = str(left[-1].id)
    async with streamed(gateway, asked, ann.caller.token, Idempotency_Key="k", Last_Event_ID=last) as (_, stream):
        left += await all_of(stream)

    assert ALL == shape(stayed)
    assert stayed == left


async def test_a_cursor_without_a_request_id_begins_nothing(gateway: Gateway, ann: User) -> None:
    """It would be another text: 400. A cursor that is none is 400, one that is ahead of the log is told everything."""
    async with streamed(gateway, body(), ann.caller.token, Last_Event_ID="7") as (response, _):
        assert 400 == response.status_code
    async with streamed(gateway, body(request_id="r"), ann.caller.token, Last_Event_ID="x") as (response, _):
        assert 400 == response.status_code
    async with streamed(gateway, body(request_id="r"), ann.caller.token, Last_Event_ID="999") as (_, stream):
        assert ALL == shape(await all_of(stream))


async def test_a_text_that_is_written_anew_says_so(gateway: Gateway, house: House, ann: User) -> None:
    """Once for each attempt, and at most 95."""
    script = house.script(rejections=2)
    async with streamed(gateway, body(script.premise), ann.caller.token) as (_, stream):
        events = await all_of(stream)

    assert [("progress", "retry", 85), ("progress", "retry", 87)] == shape(events)[5:-2]
    metadata = events[-1].data["metadata"]
    assert (3, True) == (metadata["attempts"], metadata["validated"])


async def test_a_failure_is_told_by_both(gateway: Gateway, house: House, ann: User) -> None:
    """The stream's last event, and the blocking call's answer with a status that fits."""
    script = house.script(failure=FabulaError("it is broken"))
    async with streamed(gateway, body(script.premise, request_id="r"), ann.caller.token) as (response, stream):
        events = await all_of(stream)
    whole = await gateway.http.post("/run", json=body(script.premise, request_id="r"), headers=bearer(ann))

    assert [("progress", "fail", 100), ("error", "generator", None)] == shape(events)[-2:]
    assert ["message", "stage", "code"] == list(events[-1].data)
    assert (500, events[-1].data) == (whole.status_code, whole.json())

    id_ = response.headers["x-generation-id"]
    await ann.call("RetryGeneration", generation_id=id_)
    await ann.reaches(id_, gen.STATE_SUCCEEDED)
    async with streamed(gateway, None, ann.caller.token, f"/run/stream/{id_}") as (_, stream):
        again = shape(await all_of(stream))
    assert [] == [event for event in again if event[0] == "error"]
    assert ALL[-1] == again[-1]


async def test_who_waits_too_long_is_told_how_to_go_on(house: House, ann: User) -> None:
    """504 with the id; the text is written all the same, and can be asked for by it."""
    script = house.script(hold_before=1)
    settings: dict[str, Any] = {"generators": ("story",), "jwt_secret": SECRET, "answer_seconds": 0.5}
    async with running_gateway(house.address, **settings) as gateway:
        late = await gateway.http.post("/run", json=body(script.premise, request_id="r"), headers=bearer(ann))
        id_ = late.headers["x-generation-id"]
        assert (504, "STILL_RUNNING", True) == (
            late.status_code, late.json()["error"]["code"], late.json()["error"]["retryable"],
        )  # fmt: skip
        assert {"id": id_} == late.json()["error"]["details"]
        script.go.set()
        await ann.reaches(id_, gen.STATE_SUCCEEDED)
        found = await gateway.http.get(f"/run/{id_}", headers=bearer(ann))
    assert (200, True) == (found.status_code, found.json()["success"])


@pytest.mark.parametrize("address", ["/run", "/run/stream"])
async def test_a_disconnect_cancels_only_where_it_is_asked_for(
    gateway: Gateway, house: House, ann: User, address: str
) -> None:
    """With the switch the text is cancelled; without it, it is written to its end."""
    states: dict[str, int] = {}
    for query in ("", "?cancel_on_disconnect=1"):
        script = house.script(hold_before=1)
        asked = body(script.premise, request_id=f"r{len(states)}")

        async def leave(asked: dict[str, Any] = asked, query: str = query) -> None:
            async with httpx.AsyncClient(base_url=f"http://{gateway.host}") as http:
                await http.post(f"{address}{query}", json=asked, headers=bearer(ann))

        waiting = asyncio.create_task(leave())
        await script.held.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: gateway.house.connections == 0)
        (id_,) = set(await ann.listed()) - states.keys()
        if query:
            await ann.reaches_any(id_, gen.STATE_CANCELLED)
        script.go.set()
        states[id_] = (await ann.reaches(id_, gen.STATE_CANCELLED if query else gen.STATE_SUCCEEDED)).state

    assert [gen.STATE_SUCCEEDED, gen.STATE_CANCELLED] == list(states.values())


async def test_others_texts_and_unknown_ones_are_the_same(gateway: Gateway, ann: User) -> None:
    """404 by every address; without a token 401."""
    async with streamed(gateway, body(request_id="r"), ann.caller.token) as (response, stream):
        await all_of(stream)
    id_ = response.headers["x-generation-id"]
    stranger = {"authorization": f"Bearer {token('somebody else')}"}
    answers = [
        (await gateway.http.get(f"{path}/{name}", headers=stranger))
        for path in ("/run", "/run/stream")
        for name in (id_, UNKNOWN, "nonsense")
    ]
    assert [404] * 6 == [answer.status_code for answer in answers]
    assert {"there is no such generation"} == {answer.json()["error"]["message"] for answer in answers}
    assert 405 == (await gateway.http.head(f"/run/stream/{id_}", headers=bearer(ann))).status_code
    for path in ("/run", "/run/stream"):
        assert 401 == (await gateway.http.post(path, json=body())).status_code
    assert 400 == (await gateway.http.post("/run", json={}, headers=bearer(ann))).status_code


@pytest.mark.parametrize("first", ["gateway", "service"])
async def test_a_silent_stream_gives_signs_of_life_and_ends_with_its_token(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Comments, which no client takes for events. With the token the stream ends, whoever finds it expired first."""
    if first == "service":
        monkeypatch.setattr(dialect_events, "on_expiry", lambda *_: nullcontext())
    script = house.script(hold_before=1)
    short = {"authorization": f"Bearer {token(owner_of(ann), expires_in=SOON)}"}
    async with asyncio.timeout(20), gateway.http.stream(
        "POST", "/run/stream", json=body(script.premise), headers=short
    ) as response:  # fmt: skip
        text = "".join([chunk async for chunk in response.aiter_text()])
    script.go.set()

    assert text.startswith("retry: 1000\n\nid: ")
    assert ": still here\n\n" in text
    assert "event: error" not in text


async def test_a_gateway_that_ends_sends_its_clients_to_another(house: House, ann: User) -> None:
    """Streams end without an error and who waits is answered 503; both go on at the next gateway."""
    script = house.script(hold_before=1)
    settings: dict[str, Any] = {"generators": ("story",), "jwt_secret": SECRET}
    asked = body(script.premise, request_id="r")
    async with (
        running_gateway(house.address, **settings) as gateway,
        streamed(gateway, asked, ann.caller.token) as (_, stream),
    ):
        events = [await anext(stream), await anext(stream)]
        waiting = asyncio.create_task(gateway.http.post("/run", json=asked, headers=bearer(ann)))
        await until(lambda: gateway.house.connections == 2)
        gateway.server.stop()
        assert [] == await all_of(stream)
        assert (503, "1") == ((await waiting).status_code, (await waiting).headers["retry-after"])
    script.go.set()
    async with running_gateway(house.address, **settings) as gateway:
        last = str(events[-1].id)
        async with streamed(gateway, asked, ann.caller.token, Last_Event_ID=last) as (_, stream):
            events += await all_of(stream)
    assert ALL == shape(events)
