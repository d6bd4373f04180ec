"""Webhooks before a real journal, a real server and real workers: who ends is told, once it is known to have ended."""

from __future__ import annotations

import asyncio
import time

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.errors import InvalidRequest
from tests.integration.story.house import story
from tests.integration.webhooks.house import House
from tests.integration.webhooks.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_ending_is_told_at_once_and_signed(house: House, receiver: Receiver) -> None:
    """A library that is not ours takes the signature, and the body says what REST would say in short."""
    owner = house.owner()
    id_, secret = await owner.register(receiver.url("/told?by=fabula"))
    generation = await owner.user.start(story(house.script().premise))
    await owner.user.reaches(generation, gen.STATE_SUCCEEDED)
    ended = time.monotonic()

    [heard] = await receiver.until(1)

    assert heard.time - ended < 5  # in fact some ten milliseconds; this only tells it from the next retry
    content = heard.verified(secret)
    assert "/told?by=fabula" == heard.path
    assert "application/json" == heard.headers["content-type"]
    assert "generation.succeeded" == content["type"]
    data = content["data"]
    assert [generation, "story", "STATE_SUCCEEDED", 1] == [data["id"], data["kind"], data["state"], data["run"]]
    assert content["timestamp"] == data["updateTime"]
    assert 1 == data["progress"]["fraction"]
    told = await owner.settled(id_)
    assert [heard.id, generation, [204]] == [told.id, told.generation_id, [each.status for each in told.attempts]]
    assert (await owner.webhook(id_)).HasField("last_success_time")


async def test_all_three_ends_are_told_and_each_run_of_a_retried_one(house: House, receiver: Receiver) -> None:
    """Failed and then retried to success are two endings; a cancel of what nobody has begun is one, too."""
    owner = house.owner()
    await owner.register(receiver.url())
    script = house.script(failure=InvalidRequest("no"))
    failing = await owner.user.start(story(script.premise))
    await owner.user.reaches(failing, gen.STATE_FAILED)
    [first] = await receiver.until(1)
    await owner.user.call("RetryGeneration", generation_id=failing)
    held = house.script(hold_before=1)
    cancelled = await owner.user.start(story(held.premise))
    await asyncio.wait_for(held.held.wait(), 20)
    await owner.user.call("CancelGeneration", generation_id=cancelled)
    heard = await receiver.until(3)

    assert "generation.failed" == first.content["type"]
    assert "INVALID_REQUEST" == first.content["data"]["failure"]["code"]
    assert {(failing, "generation.succeeded"), (cancelled, "generation.cancelled")} == {
        (each.content["data"]["id"], each.content["type"]) for each in heard[1:]
    }
    assert 3 == len({each.id for each in heard})


async def test_only_what_a_webhook_wants_is_told(house: House, receiver: Receiver) -> None:
    """By state and by generator."""
    owner = house.owner()
    await owner.register(receiver.url("/failures"), states=[gen.STATE_FAILED])
    await owner.register(receiver.url("/pictures"), kinds=["image"])
    await owner.register(receiver.url("/stories"), kinds=["story", "character"])
    generation = await owner.user.start(story(house.script().premise))
    await owner.user.reaches(generation, gen.STATE_SUCCEEDED)
    await receiver.until(1)
    await asyncio.sleep(0.3)

    assert ["/stories"] == [each.path for each in receiver.heard]


async def test_owners_are_told_of_their_own(house: House, receiver: Receiver) -> None:
    """Nobody else's."""
    one, other = house.owner(), house.owner()
    await one.register(receiver.url("/one"))
    await other.register(receiver.url("/other"))
    generation = await other.user.start(story(house.script().premise))
    await other.user.reaches(generation, gen.STATE_SUCCEEDED)
    await receiver.until(1)
    await asyncio.sleep(0.3)

    assert ["/other"] == [each.path for each in receiver.heard]


async def test_what_ended_before_is_not_told(house: House, receiver: Receiver) -> None:
    """A webhook begins when it is registered."""
    owner = house.owner()
    await owner.user.reaches(await owner.user.start(story(house.script().premise)), gen.STATE_SUCCEEDED)
    await asyncio.sleep(0.3)  # the courier has seen it: nobody was to be told
    id_, _ = await owner.register(receiver.url())
    generation = await owner.user.start(story(house.script().premise))
    await owner.user.reaches(generation, gen.STATE_SUCCEEDED)
    [heard] = await receiver.until(1)

    assert generation == heard.content["data"]["id"]
    assert [generation] == [each.generation_id for each in await owner.deliveries(id_)]


async def test_a_test_is_sent_once_even_to_a_disabled_webhook(house: House, receiver: Receiver) -> None:
    """And not twice in a moment."""
    owner = house.owner()
    id_, secret = await owner.register(receiver.url())
    await owner.call("DisableWebhook", webhook_id=id_)
    receiver.answers.append("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")
    sent = (await owner.call("SendTest", webhook_id=id_)).delivery
    [heard] = await receiver.until(1)

    assert {"type": "webhook.test", "data": {"webhookId": id_}}.items() <= heard.verified(secret).items()
    told = await owner.settled(id_, pb.DELIVERY_STATE_FAILED)
    assert [sent.id, "the endpoint answered 500"] == [told.id, told.failure]
