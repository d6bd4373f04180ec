"""Deliveries: sent until they are accepted, given up in the end, and kept from whoever does not want them."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.engine.ids import owner_token
from fabula.errors import Conflict, ResourceExhausted
from fabula.webhooks import office, schedule
from fabula.webhooks.registry import Registry
from tests.integration.story.house import story
from tests.integration.webhooks.house import House, Owner
from tests.integration.webhooks.receiver import BUSY, Receiver, answer, receiving
from tests.nats import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of tenths of seconds."""
    monkeypatch.setattr(schedule, "DELAYS_SECONDS", (0.2, 0.2, 0.2))
    monkeypatch.setattr(office, "TEST_SECONDS", 0.2)


async def end_one(house: House, owner: Owner) -> str:
    """Have a story written; return its id."""
    generation = await owner.user.start(story(house.script().premise))
    await owner.user.reaches(generation, gen.STATE_SUCCEEDED)
    return generation


async def test_what_fails_is_sent_again_under_its_id(house: House, receiver: Receiver, quick: None) -> None:
    """Signed anew, the same body; what was tried can be read, and not what the endpoint said."""
    owner = house.owner()
    receiver.answers += [BUSY, answer(404, body="a secret of the endpoint's"), answer(200)]
    id_, secret = await owner.register(receiver.url())
    await end_one(house, owner)
    heard = await receiver.until(3)
    told = await owner.settled(id_)

    assert 1 == len({each.id for each in heard})
    assert 1 == len({each.body for each in heard})
    for each in heard:
        each.verified(secret)
    assert [500, 404, 200] == [attempt.status for attempt in told.attempts]
    assert ["the endpoint answered 500", "the endpoint answered 404", ""] == [a.problem for a in told.attempts]
    assert b"a secret of" not in told.SerializeToString()


async def test_in_the_end_it_is_given_up_and_can_be_sent_by_hand(house: House, receiver: Receiver, quick: None) -> None:
    """With its retries, under its id."""
    owner = house.owner()
    receiver.answers += [BUSY] * 4
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)
    failed = await owner.settled(id_, pb.DELIVERY_STATE_FAILED)
    await asyncio.sleep(0.5)

    assert 4 == len(receiver.heard)
    assert "after 4 attempts: the endpoint answered 500" == failed.failure
    assert (await owner.webhook(id_)).HasField("failing_since")
    await owner.call("RetryDelivery", webhook_id=id_, delivery_id=failed.id)
    told = await owner.settled(id_)
    assert [failed.id, 5] == [told.id, len(told.attempts)]
    assert not (await owner.webhook(id_)).HasField("failing_since")


async def test_redirects_are_not_followed(house: House, receiver: Receiver, quick: None) -> None:
    """Wherever they lead; the delivery says so."""
    owner = house.owner()
    async with receiving() as elsewhere:
        receiver.answers += [answer(status, f"location: {elsewhere.url()}") for status in (301, 302, 307, 308)]
        id_, _ = await owner.register(receiver.url())
        await end_one(house, owner)
        failed = await owner.settled(id_, pb.DELIVERY_STATE_FAILED)

        assert [] == elsewhere.heard
    assert [301, 302, 307, 308] == [attempt.status for attempt in failed.attempts]
    assert "redirects are not followed" in failed.failure


async def test_410_disables_a_webhook(house: House, receiver: Receiver) -> None:
    """Nothing more is sent, by hand neither, until it is enabled; what ended in between is not told."""
    owner = house.owner()
    receiver.answers.append(answer(410))
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)
    gone = await owner.settled(id_, pb.DELIVERY_STATE_FAILED)
    webhook = await owner.webhook(id_)

    assert [True, "the endpoint answered 410: it is gone for good"] == [webhook.disabled, webhook.disabled_reason]
    assert webhook.HasField("disable_time")
    with pytest.raises(Conflict):
        await owner.call("RetryDelivery", webhook_id=id_, delivery_id=gone.id)
    await end_one(house, owner)
    await asyncio.sleep(0.3)
    assert 1 == len(receiver.heard)
    assert not (await owner.call("EnableWebhook", webhook_id=id_)).webhook.disabled
    last = await end_one(house, owner)
    assert last == (await receiver.until(2))[1].content["data"]["id"]


async def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_asks(
    house: House, receiver: Receiver, quick: None
) -> None:
    """All that goes there is; in seconds, or until a date."""
    owner = house.owner()
    until, epoch = time.time() + 5, time.time() - time.monotonic()
    receiver.answers += [answer(429, "retry-after: 2"), answer(503, f"Retry-After: {formatdate(until, usegmt=True)}")]
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)
    [first] = await receiver.until(1)
    heard = await receiver.until(2)
    assert heard[1].time - first.time >= 1.9
    await asyncio.sleep(0.5)  # it has been noted what was answered
    await owner.settled(id_, pb.DELIVERY_STATE_PENDING)
    await end_one(house, owner)
    heard = await receiver.until(4)
    assert heard[2].time + epoch >= until - 1  # the date has whole seconds


async def test_what_one_courier_was_asked_holds_for_all(house: House, receiver: Receiver, quick: None) -> None:
    """Whichever of them was told to come back later."""
    owner = house.owner("the owner of an endpoint that rests")
    id_, _ = await owner.register(receiver.url())
    began = time.monotonic()
    another = Registry(house.journal.records)
    await another.note("the owner of an endpoint that rests", id_, time.time(), accepted=False, rest_seconds=2.0)
    await end_one(house, owner)
    [heard] = await receiver.until(1)

    assert heard.time - began >= 1.9


async def test_while_an_endpoint_rests_only_tests_are_sent(house: House, receiver: Receiver, quick: None) -> None:
    """Who wants something sent again is told when it will do."""
    name = "the owner of an endpoint that is asked nevertheless"
    owner = house.owner(name)
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)
    told = await owner.settled(id_)
    await Registry(house.journal.records).note(name, id_, time.time(), accepted=False, rest_seconds=60.0)

    with pytest.raises(ResourceExhausted, match=r"left alone for (60|59) seconds more"):
        await owner.call("RetryDelivery", webhook_id=id_, delivery_id=told.id)
    await owner.call("SendTest", webhook_id=id_)
    await receiver.until(2)


async def test_what_was_noted_before_a_webhook_was_disabled_is_given_up(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is enabled again at once; by hand it is sent, once in a few seconds."""
    monkeypatch.setattr(schedule, "DELAYS_SECONDS", (1.0,))
    owner = house.owner()
    receiver.answers.append(BUSY)
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)
    await receiver.until(1)

    async def noted() -> bool:
        return bool((await owner.deliveries(id_))[0].attempts)

    await eventually(noted, 10)
    [waiting] = await owner.deliveries(id_)
    await owner.call("DisableWebhook", webhook_id=id_)
    await owner.call("EnableWebhook", webhook_id=id_)
    with pytest.raises(ResourceExhausted):
        await owner.call("RetryDelivery", webhook_id=id_, delivery_id=waiting.id)
    failed = await owner.settled(id_, pb.DELIVERY_STATE_FAILED)

    assert "the webhook is disabled" == failed.failure
    assert 1 == len(receiver.heard)
    monkeypatch.setattr(office, "TEST_SECONDS", 0)
    await owner.call("RetryDelivery", webhook_id=id_, delivery_id=failed.id)
    await owner.settled(id_)


async def test_an_endpoint_that_hangs_holds_up_nobody_else(house: House, receiver: Receiver) -> None:
    """Nor its owner's other endpoints, up to a number."""
    slow, quick_one = house.owner(), house.owner()
    receiver.go.clear()
    async with receiving() as prompt:
        await slow.register(receiver.url())
        await quick_one.register(prompt.url())
        await asyncio.gather(*(end_one(house, slow) for _ in range(12)))
        await receiver.until(8)
        await end_one(house, quick_one)
        await prompt.until(1, seconds=5)
        await asyncio.sleep(0.2)

        assert 8 == len(receiver.heard)
    receiver.go.set()
    heard = await receiver.until(12)
    assert 12 == len({each.id for each in heard})


async def test_after_days_of_failures_it_is_disabled(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days are seconds here."""
    monkeypatch.setattr(schedule, "DELAYS_SECONDS", (0.05,) * 30)
    monkeypatch.setattr(schedule, "FAILING_SECONDS", 1.0)
    owner = house.owner()
    receiver.answers += [BUSY] * 40
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)

    async def disabled() -> bool:
        return (await owner.webhook(id_)).disabled

    await eventually(disabled, 20)
    failed = await owner.settled(id_, pb.DELIVERY_STATE_FAILED)

    assert "for five days the endpoint has accepted nothing" == (await owner.webhook(id_)).disabled_reason
    assert "the webhook is disabled" == failed.failure
    assert schedule.FAILING_ATTEMPTS <= len(receiver.heard) < 40


async def test_what_is_to_be_sent_to_a_deleted_webhook_is_dropped(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left of it."""
    monkeypatch.setattr(schedule, "DELAYS_SECONDS", (1.0,))
    owner = house.owner("the owner of a deleted webhook")
    receiver.answers.append(BUSY)
    id_, _ = await owner.register(receiver.url())
    await end_one(house, owner)
    await receiver.until(1)
    await owner.settled(id_, pb.DELIVERY_STATE_PENDING)
    await owner.call("DeleteWebhook", webhook_id=id_)
    token = owner_token("the owner of a deleted webhook")

    async def none_left() -> bool:
        return not await house.journal.records.all(f"delivery.{token}")

    await eventually(none_left, 10)

    assert 1 == len(receiver.heard)
    assert [] == await Registry(house.journal.records).of("the owner of a deleted webhook")
    assert {} == await house.journal.records.all(f"webhook-health.{token}")


async def test_while_the_secret_changes_both_sign(house: House, receiver: Receiver) -> None:
    """The old one for a day."""
    owner = house.owner()
    id_, old = await owner.register(receiver.url())
    new = (await owner.call("RotateSecret", webhook_id=id_)).secret
    await end_one(house, owner)
    [heard] = await receiver.until(1)

    assert old != new
    assert 2 == len(heard.headers["webhook-signature"].split(" "))
    heard.verified(old)
    heard.verified(new)
