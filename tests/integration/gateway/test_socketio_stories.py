"""Family B before a real story service: uploads, the room of one's stories, coming back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import FabulaError
from fabula.journal.embedded import EmbeddedServer
from gateway import owner_feeds
from gateway.frontends import story_rooms
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.socket_io_clients import Packets, doors, packets
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, story, token
from tests.scripted_service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMESPACE = "/stories"
PATH = "/api/v1/stories"
START, PROGRESS, COMPLETE, ERROR = (f"story:processing:{name}" for name in ("start", "progress", "complete", "error"))
UNKNOWN = "story-00000000-0000-4000-8000-999999999999"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker that writes by scripts."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened
        opened.release()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway before it."""
    async with running_gateway(house.address, generators=("story",), jwt_secret=SECRET) as running:
        yield running


@pytest.fixture
def ann(house: House) -> User:
    """Somebody who has no stories yet."""
    return house.user()


def bearer(user: User) -> dict[str, str]:
    """Return the headers of their requests."""
    return {"authorization": f"Bearer {user.caller.token}"}


async def let_in(client: Packets, user: User, **auth: Any) -> None:
    """Enter the namespace."""
    answer = await client.connect(NAMESPACE, {"token": user.caller.token, **auth})
    assert answer.startswith("40/stories,"), answer


async def told(client: Packets, last: str = COMPLETE) -> list[tuple[str, Any]]:
    """Return all events up to one of this name."""
    events = [await client.event()]
    while events[-1][0] != last:
        events.append(await client.event())
    return events


def names(events: list[tuple[str, Any]]) -> list[str]:
    """Return the names of events, steps with them."""
    return [f"{content['progress']} {content['step']}" if name == PROGRESS else name for name, content in events]


ALL = [START, "25 reading_file", "50 ai_processing", "75 saving_file", COMPLETE]


async def test_an_uploaded_story_is_told_to_its_owner_who_has_joined_nothing(gateway: Gateway, ann: User) -> None:
    """Every event as the contract has it, to every connection, and to nobody else."""
    other = User(ann.client, ann.caller)
    async with packets(gateway) as first, packets(gateway) as second, packets(gateway) as stranger:
        await let_in(first, ann)
        await let_in(second, other)
        assert (await stranger.connect(NAMESPACE, {"token": token("somebody else")})).startswith("40/stories,")
        started = await gateway.http.post(
            PATH,
            files={"file": ("../notes/boats.txt", b"Ann counts boats in the harbour.", "text/plain")},
            data={"title": "Boats", "customPrompt": "be brief", "words": "60", "unknown": "x"},
            headers=bearer(ann),
        )
        events = await told(first)
        again = await told(second)
        kept = (await gateway.http.get(f"{PATH}/{started.json()['storyId']}", headers=bearer(ann))).json()
        await stranger.emit("story:leave", {"storyId": kept["storyId"]}, NAMESPACE, ack=1)
        nothing = await stranger.next()

    assert (202, "Boats") == (started.status_code, started.json()["title"])
    assert ALL == names(events)
    assert events == again
    assert nothing.startswith("43")
    story_id = started.json()["storyId"]
    assert {story_id} == {content["storyId"] for _, content in events}
    keys = [sorted(content) for _, content in events]
    assert ["step", "storyId", "timestamp"] == keys[0]
    assert ["message", "progress", "step", "storyId", "timestamp"] == keys[1]
    assert ["generatedContent", "generatedWordCount", "processingTime", "storyId", "timestamp"] == keys[-1]
    assert ("completed", "boats.txt", "be brief") == (kept["status"], kept["fileName"], kept["customPrompt"])
    assert events[-1][1]["generatedContent"] == kept["generatedContent"]


async def test_a_newcomer_is_told_where_stories_stand(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that go on, the newest step; of those that are long over, nothing. Then all that comes."""
    monkeypatch.setattr(story_rooms, "RECENT_SECONDS", 0.0)
    await ann.reaches(await ann.start(), gen.STATE_SUCCEEDED)
    script = house.script(hold_before=1)
    await ann.start(story(script.premise))
    await script.held.wait()
    async with packets(gateway) as client:
        await let_in(client, ann)
        assert [START, "50 ai_processing"] == names(await client.events(2))
        script.go.set()
        assert ["75 saving_file", COMPLETE] == names(await told(client))


async def test_who_keeps_cursors_is_told_what_was_missed(gateway: Gateway, house: House, ann: User) -> None:
    """From the cursor on, each event once, also of a story that has ended meanwhile."""
    script = house.script(hold_before=1)
    async with packets(gateway) as client:
        await let_in(client, ann, after={})
        id_ = await ann.start(story(script.premise))
        before = await client.events(4)
    script.go.set()
    await ann.reaches(id_, gen.STATE_SUCCEEDED)
    async with packets(gateway) as client:
        await let_in(client, ann, after={id_: before[-1][1]["cursor"]})
        after = await told(client)
        after.append(await client.event())
    async with packets(gateway) as client:
        await let_in(client, ann, after={id_: after[-1][1]["cursor"]})
        nothing = await client.ask("story:leave", {"storyId": id_}, NAMESPACE)

    assert [START, "story:cursor", "50 ai_processing", "story:cursor"] == names(before)
    assert [id_] * 4 == [content["storyId"] for _, content in before]
    assert ["75 saving_file", "story:cursor", COMPLETE, "story:cursor"] == names(after)
    assert (await ann.get(id_)).last_sequence == after[-1][1]["cursor"]
    assert ({"success": True}, []) == nothing


async def test_a_cursor_within_an_entry_is_kept(gateway: Gateway, house: House, ann: User) -> None:
    """A retry is one entry of the log, and two events."""
    script = house.script(hold_before=1, failure=FabulaError("it is broken"))
    script.go.set()
    async with packets(gateway) as client:
        await let_in(client, ann, after={})
        id_ = await ann.start(story(script.premise))
        failed = [each for each in await told(client, ERROR) if each[0] != "story:cursor"]
        cursor = (await client.event())[1]["cursor"]
        await ann.call("RetryGeneration", generation_id=id_)
        retried = await told(client)
    between = next(content["cursor"] for name, content in retried if name == "story:cursor")
    async with packets(gateway) as client:
        await let_in(client, ann, after={id_: between})
        rest = await told(client)

    assert [START, "50 ai_processing", ERROR] == names(failed)
    assert ("ai_processing", "it is broken") == (failed[-1][1]["step"], failed[-1][1]["error"])
    assert [START, "50 ai_processing", "75 saving_file", COMPLETE] == [
        each for each in names(retried) if each != "story:cursor"
    ]
    assert f"{cursor}.1" == between
    assert ["50 ai_processing", "75 saving_file", COMPLETE] == [each for each in names(rest) if each != "story:cursor"]


async def test_a_single_story_is_joined_and_left(gateway: Gateway, house: House, ann: User) -> None:
    """A story that is over is told from its beginning, or from a cursor; one that was left is told no more."""
    id_ = await ann.start()
    last = (await ann.reaches(id_, gen.STATE_SUCCEEDED)).last_sequence
    script = house.script(hold_before=1)
    async with packets(gateway) as client:
        await let_in(client, ann)
        joined = await client.ask("story:join", {"storyId": id_}, NAMESPACE)
        events = await told(client)
        again = await client.ask("story:join", {"storyId": id_, "after": last}, NAMESPACE)
        going_on = await ann.start(story(script.premise))
        await client.events(2)
        left = await client.ask("story:leave", {"storyId": going_on}, NAMESPACE)
        script.go.set()
        await ann.reaches(going_on, gen.STATE_SUCCEEDED)
        nothing = await client.ask("story:leave", {"storyId": going_on}, NAMESPACE)

    assert [START, "50 ai_processing", "75 saving_file", COMPLETE] == names(events)
    assert [({"success": True}, [])] * 4 == [joined, again, left, nothing]


@pytest.mark.parametrize(
    "request_", [{"storyId": UNKNOWN}, {"storyId": "story-x"}, {"storyId": 1}, {}, None, [], {"storyId": "image-1"}]
)
async def test_what_is_no_story_of_theirs_cannot_be_joined(gateway: Gateway, ann: User, request_: Any) -> None:
    """The acknowledgement says so, and the connection stays."""
    async with packets(gateway) as client:
        await let_in(client, ann)
        answer, _ = await client.ask("story:join", request_, NAMESPACE)
        assert ["code", "error", "success"] == sorted(answer)
        assert (await client.ask("story:leave", {"storyId": UNKNOWN}, NAMESPACE))[0]["success"]


async def test_other_owners_stories_are_like_unknown_ones(gateway: Gateway, house: House, ann: User) -> None:
    """To join, to come back to with a cursor, to read, to make again and to delete."""
    theirs = await house.user().start()
    found = []
    for id_ in (theirs, UNKNOWN):
        async with packets(gateway) as client:
            await let_in(client, ann, after={id_: 1})
            name, content = await client.event()
            assert ("story:watch:error", id_) == (name, content.pop("storyId"))
            answer, _ = await client.ask("story:join", {"storyId": id_}, NAMESPACE)
        path = f"{PATH}/{id_}"
        answers = [
            await gateway.http.get(path, headers=bearer(ann)),
            await gateway.http.post(f"{path}/generate", headers=bearer(ann)),
            await gateway.http.delete(path, headers=bearer(ann)),
        ]
        assert [404, 404, 404] == [each.status_code for each in answers]
        found.append((content, answer, *[each.text.replace(id_, "id") for each in answers]))

    assert found[0] == found[1]


@pytest.mark.parametrize("auth", [{}, {"token": "x"}, {"token": None}, {"token": token("ann", expires_in=-60)}])
async def test_who_cannot_say_who_they_are_is_refused(gateway: Gateway, auth: dict[str, Any]) -> None:
    """In the protocol's words: a message, and a code beside it."""
    async with packets(gateway) as client:
        answer = await client.connect(NAMESPACE, auth)

    assert answer.startswith("44/stories,")
    content = json.loads(answer.removeprefix("44/stories,"))
    assert ["UNAUTHENTICATED", True] == [content["data"]["code"], bool(content["message"])]


@pytest.mark.parametrize(
    "after", ["x", [], 7, {"story-1": -1}, {"story-1": "1.x"}, {"story-1": True}, {"story-1": None}]
)
async def test_cursors_that_are_none_are_refused(gateway: Gateway, ann: User, after: Any) -> None:
    """Who sends them would wait for what it has missed."""
    async with packets(gateway) as client:
        answer = await client.connect(NAMESPACE, {"token": ann.caller.token, "after": after})

    assert "INVALID_REQUEST" == json.loads(answer.removeprefix("44/stories,"))["data"]["code"]


async def test_a_token_is_taken_from_the_header_as_well(gateway: Gateway, ann: User) -> None:
    """For clients that can send headers; `auth.token` goes first, with or without the word Bearer."""
    good, bad = bearer(ann)["authorization"], "Bearer x"
    for header, auth, expected in ((good, None, "40"), (bad, {"token": good}, "40"), (good, {"token": "x"}, "44")):
        async with packets(gateway, additional_headers={"authorization": header}) as client:
            assert (await client.connect(NAMESPACE, auth)).startswith(expected)


async def test_a_token_that_expires_ends_the_connection(gateway: Gateway, house: House) -> None:
    """The client comes back, and shows a fresh one, or is refused."""
    user = house.user_with(token("ann", expires_in=-28))  # clocks may be 30 seconds apart
    async with packets(gateway) as client:
        await let_in(client, user)
        assert 4401 == await client.closed()
    await until(lambda: not gateway.house.connections)


async def test_stories_are_listed_made_again_and_deleted(gateway: Gateway, house: House, ann: User) -> None:
    """Again: of a failed story the run goes on, of a finished one a new story is made, with another seed."""
    files = {"file": ("boats.txt", "Ann counts boats.".encode("utf-16"))}
    first = (await gateway.http.post(PATH, files=files, data={"title": "Boats"}, headers=bearer(ann))).json()
    await ann.reaches(first["storyId"], gen.STATE_SUCCEEDED)
    again = await gateway.http.post(f"{PATH}/{first['storyId']}/generate", headers=bearer(ann))
    await ann.reaches(again.json()["storyId"], gen.STATE_SUCCEEDED)
    asked = [(await ann.call("GetGeneration", generation_id=each["storyId"])).request for each in (first, again.json())]
    script = house.script(failure=FabulaError("it is broken"))
    failed = await ann.start(story(script.premise))
    await ann.reaches(failed, gen.STATE_FAILED)
    retried = await gateway.http.post(f"{PATH}/{failed}/generate", headers=bearer(ann))
    await ann.reaches(failed, gen.STATE_SUCCEEDED)
    page = (await gateway.http.get(PATH, params={"pageSize": 2}, headers=bearer(ann))).json()
    rest = await gateway.http.get(PATH, params={"pageToken": page["nextPageToken"]}, headers=bearer(ann))
    deleted = await gateway.http.delete(f"{PATH}/{first['storyId']}", headers=bearer(ann))
    kept = (await gateway.http.get(f"{PATH}/{again.json()['storyId']}", headers=bearer(ann))).json()

    assert [202, 202, 204] == [again.status_code, retried.status_code, deleted.status_code]
    assert (asked[0].source.stored.sha256, asked[0].title) == (asked[1].source.stored.sha256, asked[1].title)
    assert asked[0].seed != asked[1].seed
    assert (failed, "queued") == (retried.json()["storyId"], retried.json()["status"])
    assert [failed, again.json()["storyId"]] == [each["storyId"] for each in page["stories"]]
    assert [first["storyId"]] == [each["storyId"] for each in rest.json()["stories"]]
    assert ("completed", "boats.txt") == (kept["status"], kept["fileName"])


async def test_a_story_that_goes_on_is_not_made_again_before_it_is_cancelled(
    gateway: Gateway, house: House, ann: User
) -> None:
    """409; cancelling tells the page."""
    script = house.script(hold_before=1)
    async with packets(gateway) as client:
        await let_in(client, ann)
        id_ = await ann.start(story(script.premise))
        await client.events(2)
        refused = await gateway.http.post(f"{PATH}/{id_}/generate", headers=bearer(ann))
        await gateway.http.post(f"{PATH}/{id_}/cancel", headers=bearer(ann))
        assert [ERROR] == names(await told(client, ERROR))

    assert 409 == refused.status_code
    script.go.set()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": {"title": "x"}}, 400),
        ({"files": {"file": ("", b"text")}}, 400),
        ({"files": {"file": ("x.txt", b"")}}, 400),
        ({"files": {"file": ("x.txt", b"x" * 4_000_000)}}, 413),
        ({"json": {"title": 1, "text": "x"}}, 400),
        ({"json": []}, 400),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ({"json": {"text": "Ann counts boats.", "title": "Boats", "more": {}}}, 202),
        ({"data": {"text": "Ann counts boats."}}, 202),
    ],
)
async def test_uploads_are_checked(gateway: Gateway, ann: User, options: dict[str, Any], status: int) -> None:
    """Each kind of body; what is not known is ignored."""
    headers = {**bearer(ann), **options.pop("headers", {})}
    assert status == (await gateway.http.post(PATH, headers=headers, **options)).status_code


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"files": {"file": ("x.txt", b"")}}, "file"),
        ({"files": {"file": ("x.txt", b"x" * 1_100_000)}}, "file"),
        ({"data": {"text": "x", "customPrompt": "x" * 8_001}}, "customPrompt"),
        ({"data": {"text": "x" * 1_100_000}}, "text"),
    ],
)
async def test_refusals_name_the_fields_of_the_upload(gateway: Gateway, ann: User, more: Any, field: str) -> None:
    """Never those of the service, which this family has not heard of."""
    answer = await gateway.http.post(PATH, headers=bearer(ann), **more)

    error = answer.json()["error"]
    assert (400, [field]) == (answer.status_code, [each["field"] for each in error["violations"]])
    assert field in error["message"]


async def test_any_request_id_makes_an_upload_idempotent(gateway: Gateway, ann: User) -> None:
    """As everywhere in the families: it need not be a request id as the contracts have it."""
    upload = {"text": "Ann counts boats.", "requestId": "für Ann: 1/2"}
    answers = [await gateway.http.post(PATH, json=upload, headers=bearer(ann)) for _ in range(2)]

    assert [202, 202] == [answer.status_code for answer in answers]
    assert answers[0].json()["storyId"] == answers[1].json()["storyId"]


async def test_one_feed_serves_all_connections_of_an_owner(
    gateway: Gateway, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up some time after the last one has gone, and nothing is left."""
    monkeypatch.setattr(owner_feeds, "LINGER_SECONDS", 0.2)
    rooms = next(each for each in doors(gateway).known.values())
    async with packets(gateway) as first, packets(gateway) as second:
        await let_in(first, ann)
        await let_in(second, ann)
        feed = rooms._feeds._feeds[owner_of(ann)]
        assert 2 == len(feed.listeners)
    await until(lambda: owner_of(ann) not in rooms._feeds._feeds)
    await until(feed.task.done)


async def test_stories_beyond_the_bound_wait_for_their_turn(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told when others have ended."""
    monkeypatch.setattr(story_rooms, "MOST_STORIES", 1)
    scripts = [house.script(hold_before=1), house.script(hold_before=1)]
    async with packets(gateway) as client:
        await let_in(client, ann)
        first = await ann.start(story(scripts[0].premise))
        assert [START, "50 ai_processing"] == names(await client.events(2))
        await ann.start(story(scripts[1].premise))
        await asyncio.gather(*(script.held.wait() for script in scripts))
        scripts[0].go.set()
        assert first == (await told(client))[-1][1]["storyId"]
        scripts[1].go.set()
        assert first != (await told(client))[-1][1]["storyId"]
