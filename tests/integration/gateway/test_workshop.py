"""Family A before a real story service: a story is begun, watched over a plain WebSocket, and asked after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import FabulaError
from fabula.journal.embedded import EmbeddedServer
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.plain_clients import refusal, told
from tests.integration.gateway.test_expiry import SOON
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATE = "/api/v1/stories/generate"
PROGRESS = "/api/v1/stories/progress/"
STATUS = "/api/v1/stories/status/"
UNKNOWN = "story-00000000-0000-4000-8000-999999999999"
KEYS = [
    "generation_id", "progress", "stage", "stage_detail", "estimated_time_remaining", "active_agents", "timestamp",
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker that writes by scripts."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened
        opened.release()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway before it."""
    settings: dict[str, Any] = {"generators": ("story",), "jwt_secret": SECRET, "max_watchers": 3}
    async with running_gateway(house.address, **settings) as running:
        yield running


@pytest.fixture
def ann(house: House) -> User:
    """Somebody who has no stories yet."""
    return house.user()


def bearer(user: User) -> dict[str, str]:
    """Return the headers of their requests."""
    return {"authorization": f"Bearer {user.caller.token}"}


async def begin(gateway: Gateway, ann: User, **body: Any) -> str:
    """Begin a story; return its id."""
    asked = {"prompt": "Ann counts boats.", "length": 60, "chapters": 1, "seed": 1, **body}
    response = await gateway.http.post(GENERATE, json=asked, headers=bearer(ann))
    assert 202 == response.status_code, response.text
    generation_id: str = response.json()["generation_id"]
    return generation_id


async def test_a_story_is_begun_and_watched_to_its_end(gateway: Gateway, house: House, ann: User) -> None:
    """Every message has the contract's fields in its order; the last is followed by a clean close; polling agrees."""
    script = house.script(hold_before=1)
    id_ = await begin(gateway, ann, prompt=script.premise, unknown_field={"x": 1})
    await ann.has_written(id_, "Ann came")
    async with told(gateway, f"{PROGRESS}{id_}", ann.caller.token) as client:
        first = await client.next()
        script.go.set()
        updates = [first, *await client.rest()]
        code = client.socket.close_code
    status = (await gateway.http.get(f"{STATUS}{id_}", headers=bearer(ann))).json()

    assert [KEYS] * len(updates) == [list(update) for update in updates]
    assert {id_} == {update["generation_id"] for update in updates}
    progress = [update["progress"] for update in updates]
    assert sorted(progress) == progress
    assert ("write-1", 0 < first["progress"] < 100) == (first["stage"], True)
    assert first["active_agents"]
    assert (100.0, "completed", 0) == tuple(
        updates[-1][key] for key in ("progress", "stage", "estimated_time_remaining")
    )
    assert 1000 == code
    assert {**updates[-1], "status": "completed"} == {name: status[name] for name in (*KEYS, "status")}
    story_keys = ["title", "content", "word_count", "genre", "chapters", "model", "seed"]
    assert story_keys == list(status["story"])
    assert "Ann came down to the harbour" in status["story"]["content"]


async def test_who_comes_late_is_told_where_it_stands(gateway: Gateway, ann: User) -> None:
    """One update, the newest, and a clean close."""
    id_ = await begin(gateway, ann)
    await ann.reaches(id_, gen.STATE_SUCCEEDED)
    async with told(gateway, f"{PROGRESS}{id_}", ann.caller.token) as client:
        updates = await client.rest()

    assert [100.0] == [update["progress"] for update in updates]
    assert (1000, "the generation has ended") == (client.socket.close_code, client.socket.close_reason)


async def test_a_cursor_of_another_door_brings_what_was_missed(gateway: Gateway, ann: User) -> None:
    """All updates after it; with the newest one nothing but the close."""
    id_ = await begin(gateway, ann)
    last = (await ann.reaches(id_, gen.STATE_SUCCEEDED)).last_sequence
    seen = []
    for after in (0, last - 3, last):
        async with told(gateway, f"{PROGRESS}{id_}?after={after}", ann.caller.token) as client:
            seen.append(await client.rest())
            assert 1000 == client.socket.close_code

    assert [last, 3, 0] == [len(updates) for updates in seen]
    assert seen[0][-3:] == seen[1]


async def test_two_watch_and_one_comes_back(gateway: Gateway, house: House, ann: User) -> None:
    """Both are told the same; who lost its socket is told where it stands, and goes on."""
    script = house.script(hold_before=1)
    id_ = await begin(gateway, ann, prompt=script.premise)
    await ann.has_written(id_, "Ann came")
    async with told(gateway, f"{PROGRESS}{id_}", ann.caller.token) as first:
        async with told(gateway, f"{PROGRESS}{id_}", ann.caller.token) as second:
            assert await first.next() == await second.next()
        async with told(gateway, f"{PROGRESS}{id_}", ann.caller.token) as second:
            await second.next()
            script.go.set()
            assert await first.rest() == await second.rest()


async def test_an_id_is_checked_before_the_socket_is_open(gateway: Gateway, ann: User) -> None:
    """Unknown, another's, and another kind's are the same 404; no token is 401, a cursor that is none 400."""
    id_ = await begin(gateway, ann)
    stranger = token("somebody else")
    unknown = await refusal(gateway, f"{PROGRESS}{UNKNOWN}", ann.caller.token)
    foreign = await refusal(gateway, f"{PROGRESS}{id_}", stranger)
    image = await refusal(gateway, f"{PROGRESS}image-00000000-0000-4000-8000-000000000001", ann.caller.token)
    nothing = await refusal(gateway, f"{PROGRESS}nonsense", ann.caller.token)
    assert [404] * 4 == [status for status, _ in (unknown, foreign, image, nothing)]
    told_of = [content["error"]["message"] for _, content in (unknown, foreign, image, nothing)]
    assert ["there is no such generation"] * 4 == told_of
    assert 401 == (await refusal(gateway, f"{PROGRESS}{id_}"))[0]
    assert 400 == (await refusal(gateway, f"{PROGRESS}{id_}?after=x", ann.caller.token))[0]
    assert 403 == (await refusal(gateway, f"{PROGRESS}{id_}", ann.caller.token, origin="https://evil.example"))[0]
    polled = [(await gateway.http.get(f"{STATUS}{name}", headers=bearer(ann))).status_code for name in (UNKNOWN, "x")]
    assert [404, 404] == polled


async def test_a_browser_shows_its_token_as_a_subprotocol(gateway: Gateway, ann: User) -> None:
    """The first name that is no token is confirmed; the token itself, where there is nothing else."""
    id_ = await begin(gateway, ann)
    secret = f"bearer.{ann.caller.token}"
    for offered, confirmed in ((["updates", secret], "updates"), ([secret], secret)):
        async with told(gateway, f"{PROGRESS}{id_}", subprotocols=offered) as client:
            assert confirmed == client.socket.subprotocol
            await client.next()


async def test_connections_for_each_generation_are_bounded(gateway: Gateway, house: House, ann: User) -> None:
    """One more than the setting allows is refused at its handshake, with 429, until another leaves."""
    script = house.script(hold_before=1)
    id_ = await begin(gateway, ann, prompt=script.premise)
    address = f"{PROGRESS}{id_}"
    async with told(gateway, address, ann.caller.token) as first, told(gateway, address, ann.caller.token):
        async with told(gateway, address, ann.caller.token):
            status, content = await refusal(gateway, address, ann.caller.token)
            assert (429, "RESOURCE_EXHAUSTED") == (status, content["error"]["code"])
        await first.next()
        async with told(gateway, address, ann.caller.token) as third:
            await third.next()
    script.go.set()


async def test_what_clients_say_is_answered_or_ends_the_socket(gateway: Gateway, house: House, ann: User) -> None:
    """Pings get a pong, nonsense an error; bytes, floods and what is too large end the socket."""
    script = house.script(hold_before=1)
    id_ = await begin(gateway, ann, prompt=script.premise)
    await ann.has_written(id_, "Ann came")
    address = f"{PROGRESS}{id_}"
    async with told(gateway, address, ann.caller.token) as client:
        await client.next()
        for ping in ({"type": "ping"}, "ping"):
            await client.say(ping)
            assert {"type": "pong"} == await client.next()
        for nonsense in ("{", "[1]", {"type": "dance"}, "7", '{"type": 3}'):
            await client.say(nonsense)
            answer = await client.next()
            assert ("error", "INVALID_REQUEST") == (answer["type"], answer["code"])
        await client.say({"type": "pong"})
        await client.say(b"\x00")
        assert 1003 == (await client.closed())[0]
    async with told(gateway, address, ann.caller.token) as client:
        await client.say("x" * 65_537)
        assert 1009 == (await client.closed())[0]
    async with told(gateway, address, ann.caller.token) as client:
        for _ in range(100):
            await client.say({"type": "pong"})
        assert (4429, True) == ((await client.closed())[0], "too many" in str(client.socket.close_reason))
    script.go.set()


async def test_failures_and_cancels_are_told_by_their_names(gateway: Gateway, house: House, ann: User) -> None:
    """The last update says how it ended, and so does polling; the socket is closed cleanly."""
    failing = house.script(failure=FabulaError("it is broken"))
    failed = await begin(gateway, ann, prompt=failing.premise)
    held = house.script(hold_before=1)
    cancelled = await begin(gateway, ann, prompt=held.premise)
    await held.held.wait()
    await ann.call("CancelGeneration", generation_id=cancelled)
    held.go.set()
    for id_, expected in ((failed, "failed"), (cancelled, "cancelled")):
        async with told(gateway, f"{PROGRESS}{id_}", ann.caller.token) as client:
            updates = await client.rest()
            assert 1000 == client.socket.close_code
        status = (await gateway.http.get(f"{STATUS}{id_}", headers=bearer(ann))).json()
        assert (expected, expected) == (updates[-1]["stage"], status["status"])
        assert "story" not in status


async def test_the_same_request_id_is_the_same_story(gateway: Gateway, ann: User) -> None:
    """By the header, or in the body; whatever the client calls it."""
    asked = {"prompt": "Ann counts boats.", "seed": 1, "length": 60}
    ids = set()
    for headers, body in (({"idempotency-key": '"a key"'}, asked), ({}, {**asked, "requestId": "a key"})):
        response = await gateway.http.post(GENERATE, json=body, headers={**bearer(ann), **headers})
        ids.add(response.json()["generation_id"])
    other = await gateway.http.post(GENERATE, json={**asked, "prompt": "B", "request_id": "a key"}, headers=bearer(ann))

    assert 1 == len(ids)
    assert 409 == other.status_code


async def test_a_body_is_read_in_many_spellings(gateway: Gateway, ann: User) -> None:
    """What is asked for arrives at the service as the contract of stories has it."""
    body = {
        "premise": "A lighthouse", "prompt": "Be brief.", "title": "Light", "genre": "mystery", "targetAudience": "all",
        "tone": "dark", "length": "short", "chapters": "2", "seed": 7, "nonsense": None,
        "characters": ["Ida", {"name": "Bo", "role": "keeper", "traits": ["old", "kind"]}],
    }  # fmt: skip
    id_ = await begin(gateway, ann, **body)
    asked = (await ann.call("GetGeneration", generation_id=id_)).request

    assert ("A lighthouse", "Be brief.", "Light", "mystery") == (
        asked.premise,
        asked.instructions,
        asked.title,
        asked.genre,
    )
    assert ("all", "dark", 300, 2, 7) == (asked.audience, asked.tone, asked.words, asked.chapters, asked.seed)
    assert [("Ida", ""), ("Bo", "keeper; old, kind")] == [(each.name, each.description) for each in asked.characters]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x", "length": "epic"}, "length"),
        ({"prompt": "x", "characters": 7}, "characters"),
        ({"prompt": "x", "characters": [7]}, "characters[0]"),
        ({"prompt": "x", "chapters": -1}, "chapters"),
        ({"prompt": "x", "length": 1}, "words"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_name(
    gateway: Gateway, ann: User, body: dict[str, Any], field: str
) -> None:
    """400, with the field."""
    response = await gateway.http.post(GENERATE, json=body, headers=bearer(ann))

    assert (400, field) == (response.status_code, response.json()["error"]["violations"][0]["field"])


async def test_text_that_is_no_unicode_is_refused(gateway: Gateway, ann: User) -> None:
    """400, wherever it stands."""
    headers = {**bearer(ann), "content-type": "application/json"}
    for body in (rb'{"prompt": "\ud800"}', rb'{"prompt": "x", "characters": [{"traits": ["\ud800"]}]}'):
        assert 400 == (await gateway.http.post(GENERATE, content=body, headers=headers)).status_code


async def test_a_token_that_expires_ends_the_socket(gateway: Gateway, house: House) -> None:
    """4401: get a new one first."""
    ida = house.user()
    script = house.script(hold_before=1)
    id_ = await ida.start(story(script.premise))
    short = token(owner_of(ida), expires_in=SOON)
    async with told(gateway, f"{PROGRESS}{id_}", short) as client:
        assert 4401 == (await client.closed())[0]
    script.go.set()
