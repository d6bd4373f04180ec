"""Webhooks at the gateway's door, before a real service and a worker that tells them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.journal.embedded import EmbeddedServer
from fabula.webhooks import office
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.story.house import SECRET, story
from tests.integration.webhooks.house import House, Owner, open_house
from tests.integration.webhooks.receiver import receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOOKS = "/v1/webhooks"
UNKNOWN = f"{HOOKS}/webhook-00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened, opened.worker():
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway, with authentication."""
    address = f"127.0.0.1:{house.port}"
    async with running_gateway(address, generators=("story",), jwt_secret=SECRET) as running:
        yield running


async def ask(gateway: Gateway, owner: Owner, method: str, path: str, **content: object) -> httpx.Response:
    """Make a request of an owner's."""
    headers = {"authorization": f"Bearer {owner.user.caller.token}"}
    return await gateway.http.request(method, path, json=content or None, headers=headers)


async def test_a_webhook_from_its_registration_to_its_end(
    house: House, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered, tested, told, read, rotated, disabled, enabled, deleted."""
    owner = house.owner()
    async with receiving() as receiver:
        made = await ask(gateway, owner, "POST", HOOKS, url=receiver.url(), states=["STATE_SUCCEEDED"])
        assert 201 == made.status_code, made.text
        webhook, secret = made.json()["webhook"], made.json()["secret"]
        path = f"{HOOKS}/{webhook['id']}"
        assert path == made.headers["location"]
        assert "no-store" == made.headers["cache-control"]
        tested = (await ask(gateway, owner, "POST", f"{path}:test")).json()
        [heard] = await receiver.until(1)
        assert tested["id"] == heard.id
        assert "webhook.test" == heard.verified(secret)["type"]
        generation = await owner.user.start(story(house.script().premise))
        await owner.user.reaches(generation, gen.STATE_SUCCEEDED)
        told = (await receiver.until(2))[1].verified(secret)

    rest = (await ask(gateway, owner, "GET", f"/v1/generations/{generation}")).json()
    assert rest["generation"] == told["data"]
    await owner.settled(webhook["id"])
    page = (await ask(gateway, owner, "GET", f"{path}/deliveries?pageSize=1")).json()
    [delivery] = page["deliveries"]
    assert ["generation.succeeded", "DELIVERY_STATE_DELIVERED"] == [delivery["type"], delivery["state"]]
    assert page["nextPageToken"]
    one = f"{path}/deliveries/{delivery['id']}"
    assert delivery == (await ask(gateway, owner, "GET", one)).json()
    assert 429 == (await ask(gateway, owner, "POST", f"{one}:retry")).status_code
    monkeypatch.setattr(office, "TEST_SECONDS", 0)  # as if some time had passed
    assert "DELIVERY_STATE_PENDING" == (await ask(gateway, owner, "POST", f"{one}:retry")).json()["state"]
    rotated = (await ask(gateway, owner, "POST", f"{path}:rotateSecret")).json()
    assert rotated["secret"] != secret
    assert (await ask(gateway, owner, "POST", f"{path}:disable")).json()["disabled"]
    assert 409 == (await ask(gateway, owner, "POST", f"{one}:retry")).status_code
    assert not (await ask(gateway, owner, "POST", f"{path}:enable")).json()["disabled"]
    listed = (await ask(gateway, owner, "GET", HOOKS)).text
    assert webhook["id"] in listed
    assert "whsec_" not in listed
    assert 204 == (await ask(gateway, owner, "DELETE", path)).status_code
    assert 404 == (await ask(gateway, owner, "GET", path)).status_code


async def test_anothers_webhook_is_answered_as_an_unknown_one(house: House, gateway: Gateway) -> None:
    """By every verb."""
    owner, other = house.owner(), house.owner()
    made = (await ask(gateway, owner, "POST", HOOKS, url="https://hooks.example/")).json()
    theirs = f"{HOOKS}/{made['webhook']['id']}"
    asked = [("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("GET", "/deliveries/msg_1")]
    asked += [("POST", "/deliveries/msg_1:retry")]
    asked += [("POST", f":{verb}") for verb in ("enable", "disable", "rotateSecret", "test")]
    for method, tail in asked:
        refusals = [await ask(gateway, other, method, f"{path}{tail}") for path in (theirs, UNKNOWN)]
        assert [404, 404] == [refusal.status_code for refusal in refusals], (method, tail)
        assert 1 == len({refusal.json()["error"]["message"] for refusal in refusals})

    assert 200 == (await ask(gateway, owner, "GET", theirs)).status_code


async def test_what_is_wrong_is_told_by_its_name_in_json(house: House, gateway: Gateway) -> None:
    """400 with the field; 429 beyond the bound; 401 without a token."""
    owner = house.owner()
    wrong: list[tuple[dict[str, object], str]] = [
        ({"url": "http://hooks.example/", "x": 1}, "x"),
        ({"url": "https://169.254.169.254/"}, "url"),
        ({"url": "https://hooks.example/", "kinds": ["poem"]}, "kinds"),
        ({"url": "https://hooks.example/", "states": ["STATE_QUEUED"]}, "states[0]"),
        ({}, "url"),
    ]
    for content, field in wrong:
        refused = await ask(gateway, owner, "POST", HOOKS, **content)
        assert 400 == refused.status_code, refused.text
        assert [field] == [each["field"] for each in refused.json()["error"]["violations"]]
    statuses = [(await ask(gateway, owner, "POST", HOOKS, url="https://hooks.example/")).status_code for _ in range(4)]
    assert [201, 201, 201, 429] == statuses
    assert 401 == (await gateway.http.get(HOOKS)).status_code
    assert 400 == (await ask(gateway, owner, "GET", f"{HOOKS}?secret=1")).status_code
    assert 400 == (await ask(gateway, owner, "GET", f"{HOOKS}/{'x' * 65}")).status_code
