"""What an owner hears who has as many generations waiting as it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import grpc
import httpx
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import ResourceExhausted
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.errors import details_of
from fabula.settings import GatewaySettings, load
from gateway.app import application
from gateway.app import open_house as open_gateway
from tests.integration.story.house import SECRET, House, User, open_house, story

MOST = 3


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A server that lets an owner have three waiting, and no worker."""
    async with (
        EmbeddedServer(tmp_path) as nats,
        open_house(nats.url, working=False, owner_queued=MOST) as opened,
    ):
        yield opened


async def fill(user: User) -> list[str]:
    """Start as many as there may be; return their ids."""
    return [await user.start(story("A fox")) for _ in range(MOST)]


async def test_one_too_many_is_refused_with_what_to_do(house: House) -> None:
    """The refusal names the limit and when to try again; nothing is stored, and nobody else is held up."""
    user = house.user()
    await fill(user)
    request_id = uuid4().hex

    with pytest.raises(ResourceExhausted) as refused:
        await user.start(story("A fox"), request_id=request_id)

    cause = refused.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert grpc.StatusCode.RESOURCE_EXHAUSTED is cause.code()
    assert ("RESOURCE_EXHAUSTED", "owner_queued") == (refused.value.code, refused.value.details["limit"])
    quota, again = error_details_pb2.QuotaFailure(), error_details_pb2.RetryInfo()
    packed = {each.TypeName(): each for each in details_of(cause)}
    assert packed["google.rpc.QuotaFailure"].Unpack(quota)
    assert packed["google.rpc.RetryInfo"].Unpack(again)
    assert ["owner_queued"] == [each.subject for each in quota.violations]
    assert again.retry_delay.seconds > 1
    assert MOST == len((await user.call("ListGenerations")).generations)
    await house.user().start(story("A fox"))


async def test_a_repeated_request_is_answered_with_what_it_started(house: House) -> None:
    """However full the queue is: the answer to the first call may have been lost."""
    user = house.user()
    request_id = uuid4().hex
    first = await user.start(story("A fox"), request_id=request_id)
    await user.start(story("A fox"))
    await user.start(story("A fox"))

    assert first == await user.start(story("A fox"), request_id=request_id)


async def test_many_at_once_get_no_more_in(house: House) -> None:
    """Each start counts from the moment it is let in."""
    user = house.user()

    outcomes = await asyncio.gather(*(user.start(story("A fox")) for _ in range(20)), return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, ResourceExhausted)]
    assert 20 - MOST == len(refused)
    assert MOST == len((await user.call("ListGenerations")).generations)


async def test_who_cancels_one_may_start_another(house: House) -> None:
    """What was cancelled, paused or deleted waits no more; to resume it is to queue it again."""
    user = house.user()
    ids = await fill(user)
    await user.call("CancelGeneration", generation_id=ids[0])
    await user.call("PauseGeneration", generation_id=ids[1])
    await user.start(story("A fox"))
    await user.start(story("A fox"))

    with pytest.raises(ResourceExhausted):
        await user.call("ResumeGeneration", generation_id=ids[1])

    assert gen.STATE_PAUSED == (await user.get(ids[1])).state
    await user.call("CancelGeneration", generation_id=ids[2])
    await user.call("ResumeGeneration", generation_id=ids[1])
    assert gen.STATE_QUEUED == (await user.get(ids[1])).state


async def test_the_gateway_says_429_and_when_to_try_again(house: House) -> None:
    """Over HTTP the same refusal, in HTTP's own words."""
    user = house.user()
    await fill(user)
    settings = load(GatewaySettings, story_address=house.address, generators=("story",), jwt_secret=SECRET)
    async with open_gateway(settings) as gateway:
        transport = httpx.ASGITransport(app=application(gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            answer = await http.post(
                "/v1/stories",
                json={"premise": "A fox"},
                headers={"Authorization": f"Bearer {user.caller.token}"},
            )

    assert 429 == answer.status_code, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert ("RESOURCE_EXHAUSTED", "owner_queued") == (
        answer.json()["error"]["code"],
        answer.json()["error"]["details"]["limit"],
    )
