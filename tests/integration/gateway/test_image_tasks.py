"""Family E before a real image service: tasks are watched before they begin, and answered when the picture is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import FabulaError
from fabula.journal.embedded import EmbeddedServer
from gateway.frontends import image_tasks
from gateway.picture_links import PictureLinks
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.plain_clients import refusal, told
from tests.integration.gateway.test_expiry import SOON
from tests.integration.image.house import Customer, House, open_house
from tests.integration.story.house import SECRET, token
from tests.unit.image.sketches import Sketcher

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOCKET = "/ws/image-generation/"
GENERATE = "/api/media/generate"
KEYS = [
    "type", "task_id", "status", "current_step", "total_steps", "percentage", "current_stage", "elapsed_time",
    "estimated_remaining", "message", "timestamp",
]  # fmt: skip
FAILED = ["type", "task_id", "status", "error", "message"]


class Steady(Sketcher):
    """A model that takes its time, so that each step is an event of its own."""

    async def _wait(self, step: int) -> None:
        await asyncio.sleep(0.03)
        await super()._wait(step)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """An image server and a worker that sketches."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url, Steady()) as opened:
        yield opened


@pytest.fixture
def model(house: House) -> Iterator[Sketcher]:
    """What it sketches with, as new."""
    assert isinstance(house.model, Sketcher)
    yield house.model
    house.model.hold_at = 0
    house.model.go.set()
    house.model.go = asyncio.Event()
    house.model.reached = asyncio.Event()
    house.model.failing.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway before it."""
    settings: dict[str, Any] = {"generators": ("image",), "jwt_secret": SECRET}
    async with running_gateway(f"127.0.0.1:{house.port}", **settings) as running:
        yield running


@pytest.fixture
def bob(house: House) -> Customer:
    """Somebody who has no pictures yet."""
    return house.customer()


def bearer(customer: Customer) -> dict[str, str]:
    """Return the headers of their requests."""
    return {"authorization": f"Bearer {customer.caller.token}"}


def wanted(task_id: str, **more: Any) -> dict[str, Any]:
    """Return a request as its front ends send it."""
    flags = {"use_generation": True, "use_refinement": False, "high_quality": False}
    return {"prompt": "a red boat", **flags, "task_id": task_id, "steps": 6, "seed": 1, "width": 64, **more}


async def generate(gateway: Gateway, bob: Customer, task_id: str, **more: Any) -> Any:
    """Ask for a picture; return the answer."""
    body = {name: value for name, value in wanted(task_id, **more).items() if value is not None}
    return await gateway.http.post(GENERATE, json=body, headers=bearer(bob))


async def test_a_watcher_that_came_first_sees_every_step(gateway: Gateway, bob: Customer, model: Sketcher) -> None:
    """One message for each, over both models, then the end and a clean close; the answer is the picture's address."""
    async with told(gateway, f"{SOCKET}task-1", bob.caller.token) as client:
        await asyncio.sleep(0.2)
        answer = await generate(gateway, bob, "task-1", use_refinement=True, steps=10)
        messages = await client.rest()
    steps = [each for each in messages if each["status"] == "generating" and each["current_step"]]

    assert [KEYS] * len(messages) == [list(message) for message in messages]
    assert {("progress", "task-1")} == {(message["type"], message["task_id"]) for message in messages}
    assert list(range(1, 11)) == [each["current_step"] for each in steps]
    assert [10] * 10 == [each["total_steps"] for each in steps]
    assert ["base_model", "refiner_model"] == sorted({each["current_stage"] for each in steps})
    assert [10.0 * step for step in range(1, 11)] == [each["percentage"] for each in steps]
    assert ("completed", 10, 100.0) == tuple(messages[-1][key] for key in ("status", "current_step", "percentage"))
    assert 1000 == client.socket.close_code
    assert (200, ["success", "image_url", "message"]) == (answer.status_code, list(answer.json()))
    assert answer.json()["success"] is True


async def test_the_answer_s_address_can_be_shown_without_a_token(gateway: Gateway, bob: Customer) -> None:
    """As an `<img>` asks for it, as often as it likes, of this gateway's own host; the same when asked again."""
    answer = await generate(gateway, bob, "shown")
    url = answer.json()["image_url"]
    pictures = [await gateway.http.get(url, headers=headers) for headers in ({}, {"cookie": "fabula_session=old"})]

    id_ = answer.headers["x-generation-id"]
    assert url.startswith(f"/v1/images/{id_}?key=")
    assert [(200, "image/png")] * 2 == [(each.status_code, each.headers["content-type"]) for each in pictures]
    assert url == (await generate(gateway, bob, "shown")).json()["image_url"]


async def test_without_a_secret_the_address_has_a_ticket(
    gateway: Gateway, bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where tokens are an identity provider's alone: there are no keys then, and a ticket is good once."""
    monkeypatch.setattr(gateway.house.doorkeeper, "links", PictureLinks(None))
    url = (await generate(gateway, bob, "shown once")).json()["image_url"]

    assert "?ticket=" in url
    assert [200, 401] == [(await gateway.http.get(url)).status_code for _ in range(2)]


async def test_pages_of_other_hosts_get_a_whole_address(house: House, bob: Customer) -> None:
    """Where their origin is allowed; without authentication the address needs no ticket."""
    settings: dict[str, Any] = {"generators": ("image",), "jwt_secret": SECRET, "allowed_origins": "http://app.example"}
    async with running_gateway(f"127.0.0.1:{house.port}", **settings) as gateway:
        headers = {**bearer(bob), "origin": "http://app.example"}
        answer = await gateway.http.post(GENERATE, json=wanted("other"), headers=headers)
        assert answer.json()["image_url"].startswith(f"http://{gateway.host}/v1/images/image-")


async def test_the_socket_stands_at_once(gateway: Gateway, bob: Customer) -> None:
    """Before there is anything to tell, whatever the id looks like."""
    for task_id in ("never", "7b7c9f0e-0000-4000-8000-000000000000", "a b/ü", "image-1"):
        since = time.monotonic()
        async with told(gateway, f"{SOCKET}{task_id.replace(' ', '%20').replace('ü', '%C3%BC')}", bob.caller.token):
            assert time.monotonic() - since < 5  # it does not wait for the task; how fast it is, is measured elsewhere


async def test_any_task_id_names_a_picture(gateway: Gateway, bob: Customer) -> None:
    """Also one that is no request id; messages carry it as the client wrote it."""
    async with told(gateway, f"{SOCKET}a%20b/%C3%BC", bob.caller.token) as client:
        answer = await generate(gateway, bob, "a b/ü")
        messages = await client.rest()

    assert (200, {"a b/ü"}) == (answer.status_code, {message["task_id"] for message in messages})


async def test_who_comes_late_is_told_where_it_stands(gateway: Gateway, bob: Customer, model: Sketcher) -> None:
    """In the middle: the step at hand, then all that follow; after the end: the end. With a cursor: what was missed."""
    model.hold_at = 4
    starting = asyncio.create_task(generate(gateway, bob, "late"))
    await model.reached.wait()
    await asyncio.sleep(0.2)
    address = f"{SOCKET}late"
    async with told(gateway, address, bob.caller.token) as first, told(gateway, address, bob.caller.token) as second:
        now = await first.next()
        assert (now, 3) == (await second.next(), now["current_step"])
        model.go.set()
        messages = await first.rest()
        assert messages == await second.rest()
    answer = await starting
    id_ = answer.headers["x-generation-id"]
    last = (await bob.get(id_)).generation.last_sequence
    async with told(gateway, f"{SOCKET}late", bob.caller.token) as client:
        assert ["completed"] == [each["status"] for each in await client.rest()]
    async with told(gateway, f"{SOCKET}{id_}", bob.caller.token) as client:  # by the generation's own id
        assert [("completed", id_)] == [(each["status"], each["task_id"]) for each in await client.rest()]
    async with told(gateway, f"{SOCKET}late?after={last - 1}", bob.caller.token) as client:
        assert messages[-1:] == await client.rest()
    async with told(gateway, f"{SOCKET}late?after=0", bob.caller.token) as client:
        assert "queued" == (await client.next())["status"]

    steps = [each["current_step"] for each in messages if each["status"] == "generating" and each["current_step"]]
    assert [4, 5, 6] == steps


async def test_the_same_task_is_the_same_picture(gateway: Gateway, bob: Customer, model: Sketcher) -> None:
    """Asked again, or at the same time, it is painted once; with another prompt it is refused."""
    before = model.decoded
    answers = await asyncio.gather(generate(gateway, bob, "same"), generate(gateway, bob, "same"))
    other = await generate(gateway, bob, "same", prompt="a green boat")

    assert 1 == len({answer.headers["x-generation-id"] for answer in answers})
    assert 1 == model.decoded - before
    assert (409, False) == (other.status_code, other.json()["success"])


async def test_a_failure_has_its_own_shape(gateway: Gateway, bob: Customer, model: Sketcher) -> None:
    """On the socket and in the answer, which has a status that fits."""
    model.failing = [(2, FabulaError("the brush broke"))]
    async with told(gateway, f"{SOCKET}broken", bob.caller.token) as client:
        answer = await generate(gateway, bob, "broken")
        messages = await client.rest()

    assert (FAILED, "failed", "broken") == (
        list(messages[-1]), messages[-1]["status"], messages[-1]["task_id"],
    )  # fmt: skip
    assert 1000 == client.socket.close_code
    content = answer.json()
    assert (500, False, None) == (answer.status_code, content["success"], content["image_url"])
    assert messages[-1]["error"] == content["message"] == content["error"]["message"]


async def test_a_cancelled_task_is_answered_as_such(gateway: Gateway, bob: Customer, model: Sketcher) -> None:
    """409, and `cancelled` on the socket."""
    model.hold_at = 2
    async with told(gateway, f"{SOCKET}gone", bob.caller.token) as client:
        starting = asyncio.create_task(generate(gateway, bob, "gone"))
        await model.reached.wait()
        (listed,) = (await bob.call("ListGenerations")).generations
        await bob.call("CancelGeneration", generation_id=listed.id)
        model.go.set()
        messages = await client.rest()
    answer = await starting

    assert "cancelled" == messages[-1]["status"]
    assert (409, False, "CANCELLED") == (
        answer.status_code, answer.json()["success"], answer.json()["error"]["code"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"prompt": ""}, "prompt"),
        ({"use_generation": False}, "use_generation"),
        ({"steps": "many"}, "steps"),
        ({"use_refinement": "perhaps"}, "use_refinement"),
        ({"steps": 100_000}, "steps"),
    ],
)
async def test_what_cannot_be_painted_is_refused(gateway: Gateway, bob: Customer, more: Any, word: str) -> None:
    """400 with the family's fields, and the error as it is told everywhere."""
    answer = await generate(gateway, bob, "x", **more)

    assert (400, False, None) == (answer.status_code, answer.json()["success"], answer.json()["image_url"])
    assert word in answer.json()["message"]


async def test_refusals_of_all_kinds_have_the_family_s_fields(gateway: Gateway, bob: Customer) -> None:
    """No token, a body that is no JSON, or too large, or of another type."""
    no_token = await gateway.http.post(GENERATE, json=wanted("x"))
    json = {**bearer(bob), "content-type": "application/json"}
    no_json = await gateway.http.post(GENERATE, content=b"{", headers=json)
    large = await gateway.http.post(GENERATE, content=b" " * 3_000_000, headers=json)
    other = await gateway.http.post(GENERATE, content=b"x", headers={**bearer(bob), "content-type": "text/plain"})

    long_id = await gateway.http.post(GENERATE, json=wanted("x" * 1_025), headers=bearer(bob))  # none could watch it
    no_prompt = await gateway.http.post(GENERATE, json=wanted("x", prompt=" "), headers=bearer(bob))
    refused = (no_token, no_json, large, other, long_id, no_prompt)

    assert [401, 400, 413, 415, 400, 400] == [each.status_code for each in refused]
    assert {False} == {each.json()["success"] for each in refused}
    named = [[one["field"] for one in each.json()["error"]["violations"]] for each in refused[-2:]]
    assert [["task_id"], ["prompt"]] == named


async def test_an_id_that_never_starts_is_closed_with_a_reason(house: House, bob: Customer) -> None:
    """4404, after the wait that the settings allow."""
    settings: dict[str, Any] = {"generators": ("image",), "jwt_secret": SECRET, "start_wait_seconds": 0.5}
    async with running_gateway(f"127.0.0.1:{house.port}", **settings) as gateway:
        async with told(gateway, f"{SOCKET}never", bob.caller.token) as client:
            closed = await client.closed()
        await asyncio.sleep(0)
        assert (4404, "no picture was asked for with this task_id within 0.5 seconds") == closed


async def test_others_tasks_are_as_if_they_had_not_begun(gateway: Gateway, bob: Customer, house: House) -> None:
    """The same id of another user is another task; its watcher waits."""
    eve = house.customer()
    async with told(gateway, f"{SOCKET}mine", eve.caller.token) as stranger:
        async with told(gateway, f"{SOCKET}mine", bob.caller.token) as client:
            assert 200 == (await generate(gateway, bob, "mine")).status_code
            assert await client.rest()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stranger.socket.recv(), 0.3)
    assert 401 == (await refusal(gateway, f"{SOCKET}mine"))[0]
    assert 400 == (await refusal(gateway, f"{SOCKET}{'x' * 2000}", bob.caller.token))[0]


async def test_an_idle_socket_gives_signs_of_life(
    gateway: Gateway, bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly the contract's message, before the task begins as well."""
    monkeypatch.setattr(image_tasks, "KEEP_ALIVE_SECONDS", 0.2)
    image_tasks.speech_for.cache_clear()
    async with told(gateway, f"{SOCKET}idle", bob.caller.token) as client:
        assert [{"type": "keep-alive"}] * 3 == await client.take(3)
        await client.say({"type": "keep-alive"})
        await client.say({"type": "ping"})
        while (message := await client.next()) == {"type": "keep-alive"}:
            pass
        assert {"type": "pong"} == message
    image_tasks.speech_for.cache_clear()


async def test_a_waiting_socket_ends_with_its_token_and_with_the_gateway(house: House, bob: Customer) -> None:
    """4401 and 1012."""
    settings: dict[str, Any] = {"generators": ("image",), "jwt_secret": SECRET}
    async with running_gateway(f"127.0.0.1:{house.port}", **settings) as gateway:
        short = token(bob.owner, expires_in=SOON)
        async with (
            told(gateway, f"{SOCKET}x", short) as expiring,
            told(gateway, f"{SOCKET}x", bob.caller.token) as other,
        ):
            assert 4401 == (await expiring.closed())[0]
            gateway.server.stop()
            assert 1012 == (await other.closed())[0]


async def test_who_waits_too_long_for_a_picture_is_told_so(house: House, bob: Customer, model: Sketcher) -> None:
    """504; the picture is painted all the same."""
    model.hold_at = 2
    settings: dict[str, Any] = {"generators": ("image",), "jwt_secret": SECRET, "answer_seconds": 0.5}
    async with running_gateway(f"127.0.0.1:{house.port}", **settings) as gateway:
        late = await generate(gateway, bob, "late-2")
        assert (504, False, "STILL_RUNNING") == (
            late.status_code, late.json()["success"], late.json()["error"]["code"],
        )  # fmt: skip
        model.go.set()
        await bob.reaches(late.headers["x-generation-id"], gen.STATE_SUCCEEDED)
        assert (await generate(gateway, bob, "late-2")).json()["success"]
