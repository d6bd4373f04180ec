"""The rpcs of webhooks: what may be registered, by whom it is seen, and what is never shown again."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.errors import InvalidRequest, NotFound, ResourceExhausted, Unauthenticated
from fabula.rpc.client import Caller, Client
from fabula.webhooks.contract import WEBHOOKS
from tests.integration.webhooks.house import House, Owner

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "https://hooks.example/fabula"
BY_ID = ("GetWebhook", "EnableWebhook", "DisableWebhook", "RotateSecret", "SendTest", "ListDeliveries", "DeleteWebhook")


async def refused(owner: Owner, **fields: object) -> list[str]:
    """Return which fields of a registration are refused."""
    with pytest.raises(InvalidRequest) as refusal:
        await owner.call("CreateWebhook", **fields)
    return [field for field, _ in refusal.value.violations]


async def test_a_webhook_is_kept_as_it_was_asked_for(idle_house: House) -> None:
    """All three ends unless it names some; the oldest is listed first."""
    owner = idle_house.owner()
    first, _ = await owner.register(URL)
    second, _ = await owner.register(
        f"{URL}/2", description="my shop", kinds=["story"], states=[gen.STATE_FAILED, gen.STATE_CANCELLED]
    )
    webhooks = (await owner.call("ListWebhooks")).webhooks

    assert [first, second] == [webhook.id for webhook in webhooks]
    assert [gen.STATE_SUCCEEDED, gen.STATE_FAILED, gen.STATE_CANCELLED] == list(webhooks[0].states)
    shown = webhooks[1]
    assert [f"{URL}/2", "my shop", ["story"]] == [shown.url, shown.description, list(shown.kinds)]
    assert [gen.STATE_FAILED, gen.STATE_CANCELLED] == list(shown.states)
    assert shown == await owner.webhook(second)


async def test_what_cannot_be_told_is_refused_by_its_field(idle_house: House) -> None:
    """By the rules of the contract, and by those that it cannot say."""
    owner = idle_house.owner()

    assert ["url"] == await refused(owner)
    assert ["url"] == await refused(owner, url=f"https://hooks.example/{'x' * 2048}")
    assert ["url"] == await refused(owner, url="https://10.0.0.1/")
    assert ["url"] == await refused(owner, url="http://8.8.8.8/")
    assert ["url"] == await refused(owner, url="https://user:word@hooks.example/")
    assert ["kinds"] == await refused(owner, url=URL, kinds=["poem"])
    assert ["kinds"] == await refused(owner, url=URL, kinds=["story", "story"])
    assert ["states[0]"] == await refused(owner, url=URL, states=[gen.STATE_RUNNING])
    assert ["description"] == await refused(owner, url=URL, description="x" * 201)
    assert ["description"] == await refused(owner, url=URL, description="a\nb")
    assert [] == list((await owner.call("ListWebhooks")).webhooks)


async def test_an_owner_has_a_bound_that_holds_when_many_ask_at_once(idle_house: House) -> None:
    """Exactly; one that is deleted makes room."""
    owner = idle_house.owner()
    answers = await asyncio.gather(*(owner.register(URL) for _ in range(9)), return_exceptions=True)
    made = [answer for answer in answers if isinstance(answer, tuple)]

    assert 3 == len(made) == len((await owner.call("ListWebhooks")).webhooks)
    assert all(isinstance(answer, tuple | ResourceExhausted) for answer in answers)
    await owner.call("DeleteWebhook", webhook_id=made[0][0])
    await owner.register(URL)


async def test_anothers_webhook_is_as_unknown_as_none(idle_house: House) -> None:
    """For every rpc, in the same words."""
    owner, other = idle_house.owner(), idle_house.owner()
    id_, _ = await owner.register(URL)
    delivery = (await owner.call("SendTest", webhook_id=id_)).delivery.id
    asked: list[tuple[str, dict[str, str]]] = [(rpc, {}) for rpc in BY_ID]
    asked += [(rpc, {"delivery_id": delivery}) for rpc in ("GetDelivery", "RetryDelivery")]
    for rpc, fields in asked:
        told = []
        for unknown in (id_, "webhook-00000000-0000-4000-8000-000000000000"):
            with pytest.raises(NotFound) as refusal:
                await other.call(rpc, webhook_id=unknown, **fields)
            told.append((refusal.value.message, refusal.value.details.keys()))
        assert told[0] == told[1]

    assert [] == list((await other.call("ListWebhooks")).webhooks)
    assert id_ == (await owner.webhook(id_)).id


@pytest.mark.parametrize("odd", ["x", "*", ">", "webhook-*", "a.b", "..", "ü", " ", "x" * 64])
async def test_odd_ids_are_unknown(idle_house: House, odd: str) -> None:
    """None of them reaches a key of the records."""
    owner = idle_house.owner()
    id_, _ = await owner.register(URL)
    for rpc in BY_ID:
        with pytest.raises(NotFound):
            await owner.call(rpc, webhook_id=odd)
    for rpc in ("GetDelivery", "RetryDelivery"):
        with pytest.raises(NotFound):
            await owner.call(rpc, webhook_id=id_, delivery_id=odd)


async def test_the_secret_is_shown_when_it_is_drawn_and_never_again(idle_house: House) -> None:
    """In no other answer, under no other name."""
    owner = idle_house.owner()
    id_, first = await owner.register(URL)
    answers = [await owner.call("ListWebhooks")]
    answers += [await owner.call(rpc, webhook_id=id_) for rpc in BY_ID if rpc not in ("RotateSecret", "DeleteWebhook")]
    rotated = await owner.call("RotateSecret", webhook_id=id_)
    answers += [await owner.call("GetWebhook", webhook_id=id_), rotated.webhook]
    shown = b"".join(answer.SerializeToString() for answer in answers)

    for secret in (first, rotated.secret):
        assert secret.startswith("whsec_")
        assert secret.removeprefix("whsec_").encode() not in shown


async def test_a_token_is_needed(idle_house: House) -> None:
    """For everything."""
    client = Client(WEBHOOKS, idle_house.channel)
    for rpc in ("ListWebhooks", "CreateWebhook", *BY_ID):
        with pytest.raises(Unauthenticated):
            await client.call(rpc, WEBHOOKS.request(rpc)(), Caller())


async def test_deliveries_come_in_pages(idle_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first, each once; a token of something else is refused."""
    monkeypatch.setattr("fabula.webhooks.office.TEST_SECONDS", 1e-6)
    owner = idle_house.owner()
    id_, _ = await owner.register(URL)
    sent = [(await owner.call("SendTest", webhook_id=id_)).delivery.id for _ in range(5)]
    read, token = [], ""
    for size in (2, 2, 1):
        page = await owner.call("ListDeliveries", webhook_id=id_, page_size=2, page_token=token)
        assert size == len(page.deliveries)
        read += [delivery.id for delivery in page.deliveries]
        token = page.next_page_token

    assert ["", sent[::-1]] == [token, read]
    one = (await owner.call("GetDelivery", webhook_id=id_, delivery_id=sent[0])).delivery
    assert [pb.DELIVERY_STATE_PENDING, "webhook.test", id_] == [one.state, one.type, one.webhook_id]
    for odd in ("x", "-", "²-x"):
        with pytest.raises(InvalidRequest):
            await owner.call("ListDeliveries", webhook_id=id_, page_token=odd)


async def test_a_second_test_in_a_moment_is_refused(idle_house: House) -> None:
    """A webhook is no means to bother somebody."""
    owner = idle_house.owner()
    id_, _ = await owner.register(URL)
    tries = [owner.call("SendTest", webhook_id=id_) for _ in range(5)]
    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert 1 <= sum(not isinstance(answer, Exception) for answer in answers) <= 2  # two, on the edge of a moment


async def test_the_service_stands_beside_the_others(idle_house: House) -> None:
    """At the very same port; what it does not have is unimplemented."""
    method: Any = idle_house.channel.unary_unary(f"/{WEBHOOKS.service}/Explode", None, None)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await method(b"")
    assert grpc.StatusCode.UNIMPLEMENTED is refusal.value.code()
