"""Family C before real services of characters and pictures: sessions, their avatars, coming back, what comes after."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import InvalidRequest
from fabula.journal.embedded import EmbeddedServer
from gateway.frontends import character_sessions
from tests.integration.character.house import Customer, picture_file
from tests.integration.character.studio import Studio, open_studio
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.socket_io_clients import CHARACTERS, Packets, doors, packets
from tests.integration.story.house import SECRET, token
from tests.scripted_service import until
from tests.unit.image.sketches import Sketcher

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/v1/characters"
START = f"{PATH}/generate-automated"
JOIN, JOINED, PROGRESS, CURSOR = (
    "join_character_generation",
    "character_generation_joined",
    "character_generation_progress",
    "character_generation_cursor",
)
UNKNOWN = "00000000-0000-4000-8000-999999999999"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """Both services, and a keeper."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_studio(nats.url) as studio:
        yield studio


@pytest.fixture
def studio(opened: Studio) -> Iterator[Studio]:
    """The same, with a maker and a model as new."""
    yield opened
    opened.house.renew()
    opened.model.go.set()
    fresh = Sketcher()
    for name in fresh.__slots__:
        setattr(opened.model, name, getattr(fresh, name))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(opened: Studio) -> AsyncIterator[Gateway]:
    """A gateway before them."""
    settings: dict[str, Any] = {
        "character_address": f"127.0.0.1:{opened.house.port}",
        "image_address": f"127.0.0.1:{opened.images.port}",
        "generators": ("character", "image"),
        "jwt_secret": SECRET,
    }
    async with running_gateway("127.0.0.1:1", **settings) as running:
        yield running


@pytest.fixture
def ida(studio: Studio) -> Customer:
    """Somebody who has no characters yet."""
    return studio.house.customer()


def bearer(customer: Customer) -> dict[str, str]:
    """Return the headers of their requests."""
    return {"authorization": f"Bearer {customer.caller.token}"}


async def begin(gateway: Gateway, who: Customer, **form: Any) -> str:
    """Begin a session as the form does; return its id."""
    options = form or {"data": {"description": "a red fox named Fritz"}}
    response = await gateway.http.post(START, headers=bearer(who), **options)
    assert 202 == response.status_code, response.text
    assert ["message", "sessionId"] == sorted(response.json())
    session_id: str = response.json()["sessionId"]
    return session_id


async def let_in(client: Packets, who: Customer) -> None:
    """Connect."""
    answer = await client.connect("/", {"token": who.caller.token})
    assert answer.startswith('40{"sid"'), answer


async def join(client: Packets, session_id: str, **more: Any) -> None:
    """Join a session, as its contract has it."""
    answer, before = await client.ask(JOIN, {"sessionId": session_id, **more})
    assert {"success": True} == answer
    assert [(JOINED, {"sessionId": session_id})] == before


async def told(client: Packets, step: str = "generating_avatar", progress: int = 100) -> list[Any]:
    """Return what is told up to a step; cursors as they are."""
    seen: list[Any] = []
    while True:
        name, content = await client.event()
        assert name in {PROGRESS, CURSOR}
        seen.append(content)
        if (content.get("step"), content.get("progress")) == (step, progress):
            return seen


def steps(contents: list[Any]) -> list[tuple[str, int]]:
    """Return steps and their progress, those of the avatar once."""
    found = [(each["step"], each["progress"]) for each in contents if "step" in each]
    return [each for each in found if each[0] != "generating_avatar" or each[1] == 100]


MADE = [
    ("generating_details", 40),
    ("generating_details", 55),
    ("generating_history", 70),
    ("creating_character", 80),
    ("queuing_avatar", 90),
    ("completed", 100),
    ("generating_avatar", 100),
]


async def test_a_session_is_told_to_its_end_and_then_its_avatar(
    gateway: Gateway, studio: Studio, ida: Customer
) -> None:
    """Every step once and in order, with what it brings; the avatar with previews, and its address in the end."""
    studio.model.hold_at = 8
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        session_id = await begin(gateway, ida)
        await join(client, session_id)
        made = await told(client, "completed")
        await asyncio.wait_for(studio.model.reached.wait(), 30)
        await asyncio.sleep(0.2)
        studio.model.go.set()
        painted = await told(client)
    completed = made[-1]["data"]
    picture = await gateway.http.get(painted[-1]["data"]["avatarUrl"], headers=bearer(ida))
    polled = (await gateway.http.get(f"{PATH}/{completed['characterId']}/avatar", headers=bearer(ida))).json()

    assert MADE == steps(made + painted)
    assert all({"step", "progress", "message", "data"} >= each.keys() for each in made + painted)
    by_step = {(each["step"], each["progress"]): each.get("data") for each in made}
    details = by_step["generating_details", 55]
    assert ["age", "firstName", "gender", "lastName", "personality", "species"] == sorted(details)
    assert by_step["generating_history", 70]["history"]
    assert ["avatarJobId", "character", "characterId"] == sorted(completed)
    assert session_id in completed["characterId"]
    previews = [each["data"]["preview"] for each in painted if "preview" in each.get("data", {})]
    assert previews
    assert all(base64.b64decode(each.partition(",")[2]) for each in previews)
    assert (200, "image/png") == (picture.status_code, picture.headers["content-type"])
    assert ("ready", painted[-1]["data"]["avatarUrl"], completed["avatarJobId"]) == (
        polled["avatarStatus"],
        polled["avatarUrl"],
        polled["avatarJobId"],
    )


async def test_a_picture_is_looked_at_first(gateway: Gateway, ida: Customer) -> None:
    """Its steps come before the others; without one they are not faked."""
    session_id = await begin(gateway, ida, files={"image": ("fox.png", picture_file())})
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        seen = await told(client)

    looks = next(each["data"] for each in seen if each["step"] == "extracting_description")
    assert [("uploading_image", 5), ("analyzing_image", 15), ("extracting_description", 30), *MADE] == steps(seen)
    assert ["physicalDescription", "visualStyle"] == sorted(looks)


async def test_who_joins_late_or_again_is_told_everything(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """First what was missed, then what comes, the same for all; on one connection as on several."""
    studio.house.maker.hold_before = 1
    session_id = await begin(gateway, ida)
    await asyncio.wait_for(studio.house.maker.held.wait(), 30)
    async with packets(gateway, CHARACTERS) as first, packets(gateway, CHARACTERS) as second:
        await let_in(first, ida)
        await join(first, session_id)
        missed = await told(first, "generating_details", 55)
        await join(first, session_id)
        again = await told(first, "generating_details", 55)
        await let_in(second, ida)
        await join(second, session_id)
        late = await told(second, "generating_details", 55)
        studio.house.maker.go.set()
        rest = [await told(client) for client in (first, second)]

    assert missed == again == late
    assert MADE == steps(missed + rest[0]) == steps(late + rest[1])


async def test_who_keeps_cursors_is_told_what_was_missed(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """Each step once, over the character's end and into its avatar."""
    session_id = await begin(gateway, ida)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id, after=0)
        everything = await told(client)
        everything.append((await client.event())[1])
    cursors = [each for each in everything if "cursor" in each]
    assert {session_id} == {each["sessionId"] for each in cursors}
    for place in range(0, len(cursors), 3):
        at = everything.index(cursors[place])
        async with packets(gateway, CHARACTERS) as client:
            await let_in(client, ida)
            await join(client, session_id, after=cursors[place]["cursor"])
            expected = [each for each in everything[at + 1 :] if "preview" not in each.get("data", {})]
            rest = [(await client.event())[1] for _ in expected]
        assert expected == rest
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id, after=cursors[-1]["cursor"])
        assert ({"success": True}, []) == await client.ask("leave_character_generation", {"sessionId": session_id})


@pytest.mark.parametrize(
    "request_",
    [None, {}, [], "x", {"sessionId": 7}, {"sessionId": "x"}, {"sessionId": UNKNOWN}, {"sessionId": "a" * 900}],
)
async def test_what_is_no_session_cannot_be_joined(gateway: Gateway, ida: Customer, request_: Any) -> None:
    """The acknowledgement says so, in the contract's words."""
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        answer, before = await client.ask(JOIN, request_)

    assert ({"success": False, "error": "there is no such character generation"}, []) == (answer, before)


@pytest.mark.parametrize("after", ["x", -1, 1.5, True, [], f"image-{UNKNOWN}/x", "image-1/4"])
async def test_cursors_that_are_none_are_refused(gateway: Gateway, ida: Customer, after: Any) -> None:
    """Before anything is told."""
    session_id = await begin(gateway, ida)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        answer, before = await client.ask(JOIN, {"sessionId": session_id, "after": after})

    assert (False, []) == (answer["success"], before)
    assert "cursor" in answer["error"]


async def test_other_users_sessions_are_like_unknown_ones(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """At every address, and on the socket, with a cursor and without."""
    theirs = await begin(gateway, studio.house.customer())
    found = []
    for session_id in (theirs, UNKNOWN):
        answers: list[Any] = []
        async with packets(gateway, CHARACTERS) as client:
            await let_in(client, ida)
            afters: list[dict[str, Any]] = [{}, {"after": 5}, {"after": f"image-{UNKNOWN}/3"}]
            answers += [(await client.ask(JOIN, {"sessionId": session_id, **more}))[0] for more in afters]
        for method, path in (
            ("GET", f"{START}/{session_id}"),
            ("DELETE", f"{START}/{session_id}"),
            ("POST", f"{START}/{session_id}/retry"),
            ("POST", f"{START}/{session_id}/cancel"),
            ("GET", f"{PATH}/{session_id}"),
            ("DELETE", f"{PATH}/{session_id}"),
            ("POST", f"{PATH}/{session_id}/save"),
            ("GET", f"{PATH}/{session_id}/avatar"),
            ("POST", f"{PATH}/{session_id}/regenerate-avatar"),
        ):
            response = await gateway.http.request(method, path, headers=bearer(ida))
            assert 404 == response.status_code, (method, path)
            answers.append(response.text.replace(session_id, "id"))
        found.append(answers)

    assert found[0] == found[1]


async def test_a_failed_session_tells_why_and_goes_on_after_a_retry(
    gateway: Gateway, studio: Studio, ida: Customer
) -> None:
    """To who has stayed in the room; with the stages that were finished kept."""
    studio.house.maker.telling = [(1, InvalidRequest("the maker does not like foxes"))]
    session_id = await begin(gateway, ida)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        failed = await told(client, "error", 0)
        standing = (await gateway.http.get(f"{START}/{session_id}", headers=bearer(ida))).json()
        retried = await gateway.http.post(f"{START}/{session_id}/retry", headers=bearer(ida))
        rest = await told(client)

    assert ["details", "error"] == sorted(failed[-1]["data"])
    assert "the maker does not like foxes" == failed[-1]["data"]["error"] == standing["error"]
    assert ("failed", 202, session_id) == (standing["status"], retried.status_code, retried.json()["sessionId"])
    assert MADE[2:] == steps(rest)


async def test_a_failed_session_is_discarded(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """Then it is unknown; one that goes on is cancelled first."""
    studio.house.maker.telling = [(1, InvalidRequest("no"))]
    failed = await begin(gateway, ida)
    await ida.reaches(f"character-{failed}", gen.STATE_FAILED)
    studio.house.maker.hold_before = 1
    going_on = await begin(gateway, ida)
    await asyncio.wait_for(studio.house.maker.held.wait(), 30)
    for session_id in (failed, going_on):
        for _ in range(50):
            discarded = await gateway.http.delete(f"{START}/{session_id}", headers=bearer(ida))
            if discarded.status_code != 409:
                break
            await asyncio.sleep(0.1)
        gone = await gateway.http.get(f"{START}/{session_id}", headers=bearer(ida))
        assert [204, 404] == [discarded.status_code, gone.status_code]


async def test_a_character_is_read_saved_listed_and_discarded(gateway: Gateway, ida: Customer) -> None:
    """By its id, or by its session's."""
    made = await ida.made("a red fox named Fritz")
    session_id = made.id.removeprefix("character-")
    read = await gateway.http.get(f"{PATH}/{session_id}", headers=bearer(ida))
    saved = await gateway.http.post(f"{PATH}/{made.id}/save", headers=bearer(ida))
    listed = (await gateway.http.get(PATH, params={"pageSize": 1, "query": "fox"}, headers=bearer(ida))).json()
    standing = (await gateway.http.get(f"{START}/{session_id}", headers=bearer(ida))).json()
    discarded = await gateway.http.delete(f"{PATH}/{made.id}", headers=bearer(ida))
    gone = await gateway.http.get(f"{PATH}/{made.id}", headers=bearer(ida))

    assert ("completed", "The character is complete") == (standing["status"], standing["message"])
    assert (made.id, made.history, False) == tuple(
        read.json()["character"][name] for name in ("id", "history", "saved")
    )
    assert saved.json()["character"]["saved"]
    assert [made.id] == [each["id"] for each in listed["characters"]]
    assert ("completed", 100, made.id) == (standing["status"], standing["progress"], standing["characterId"])
    assert [204, 404] == [discarded.status_code, gone.status_code]


async def test_a_new_avatar_is_told_to_who_has_stayed(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """Also while the one before it is being painted; then its address is the new one's."""
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        session_id = await begin(gateway, ida)
        await join(client, session_id, after=0)
        first = (await told(client))[-1]["data"]["avatarUrl"]
        await client.event()
        asked = await gateway.http.post(f"{PATH}/{session_id}/regenerate-avatar", headers=bearer(ida))
        second = (await told(client))[-1]["data"]["avatarUrl"]
        cursor = (await client.event())[1]["cursor"]
        studio.model.hold_at = 1
        await gateway.http.post(f"{PATH}/{session_id}/regenerate-avatar", headers=bearer(ida))
        await told_some(client)
        studio.model.hold_at = 0
        last = await gateway.http.post(f"{PATH}/{session_id}/regenerate-avatar", headers=bearer(ida))
        studio.model.go.set()
        fourth = last.json()["avatarJobId"]
        while True:
            seen = await told(client)
            if fourth in seen[-1]["data"]["avatarUrl"]:
                break

    assert (202, "pending") == (asked.status_code, asked.json()["avatarStatus"])
    assert asked.json()["avatarJobId"] in second != first
    assert str(cursor).startswith(asked.json()["avatarJobId"])


async def told_some(client: Packets) -> None:
    """Wait for anything to be told of an avatar."""
    while (await client.event())[0] != PROGRESS:
        pass


async def test_a_failed_avatar_is_told_and_the_character_stays_complete(
    gateway: Gateway, studio: Studio, ida: Customer
) -> None:
    """To who is there, and to who comes later."""
    studio.model.failing = [(1, InvalidRequest("the picture came out black"))]
    session_id = await begin(gateway, ida)
    for _ in range(2):
        async with packets(gateway, CHARACTERS) as client:
            await let_in(client, ida)
            await join(client, session_id)
            await told(client, "completed")
            while "data" not in (last := (await told(client, "generating_avatar", 0))[-1]):
                pass
            assert "the picture came out black" == last["data"]["error"]


async def test_sessions_of_one_connection_are_bounded(
    gateway: Gateway, ida: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was left makes room."""
    monkeypatch.setattr(character_sessions, "MOST_SESSIONS", 1)
    first, second = await begin(gateway, ida), await begin(gateway, ida)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, first)
        await client.emit(JOIN, {"sessionId": second}, ack=1)
        while not (refused := await client.next()).startswith("431"):
            pass
        await client.emit("leave_character_generation", {"sessionId": first}, ack=2)
        while not (await client.next()).startswith("432"):
            pass
        await join(client, second)

    assert "at most 1 sessions" in refused


async def test_nothing_is_left_of_who_has_gone(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """No room, no watch."""
    studio.house.maker.hold_before = 1
    session_id = await begin(gateway, ida)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        sessions = doors(gateway, CHARACTERS).known["/"]
        assert 1 == sum(len(room) for room in sessions._rooms.values())
        assert [f"character_generation:{ida.owner}:{session_id}"] == list(sessions._rooms)
    house = gateway.house
    await until(lambda: not (sessions._rooms or house.connections or house.hub._watchers))


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 400),
        ({"data": {"description": " "}}, 400),
        ({"files": {"image": ("x.png", b"no picture")}}, 400),
        ({"data": {"description": "a knight"}, "files": {"image": ("x.png", b"")}}, 400),
        ({"files": {"image": ("x.png", b"x" * 20_000_000)}}, 413),
        ({"json": {"description": "a knight", "more": 1}}, 202),
        ({"data": {"description": "a knight"}, "files": {"image": ("x.png", picture_file())}}, 202),
    ],
)
async def test_forms_are_checked(gateway: Gateway, ida: Customer, options: dict[str, Any], status: int) -> None:
    """A description, a picture, or both; what is not known is ignored. Refusals name the form's fields."""
    answer = await gateway.http.post(START, headers=bearer(ida), **options)

    assert status == answer.status_code
    if status == 400 and "files" in options:
        assert ["image"] == [each["field"] for each in answer.json()["error"]["violations"]]


async def test_who_cannot_say_who_they_are_is_refused(gateway: Gateway) -> None:
    """At the address and on the socket."""
    assert 401 == (await gateway.http.post(START, data={"description": "a knight"})).status_code
    async with packets(gateway, CHARACTERS) as client:
        answer = await client.connect("/", {"token": token("ida", secret="another secret that is long enough")})
    assert answer.startswith("44{")
    assert '"UNAUTHENTICATED"' in answer
