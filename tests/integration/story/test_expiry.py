"""Streams of a service end when the token that has opened them does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import pytest

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.ports import Records, Stored
from fabula.errors import NotFound, PermissionDenied, Unauthenticated
from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from fabula.rpc.client import Caller, Client
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import STORY
from fabula.rpc.stores import Call
from fabula.rpc.tickets import TICKETS, TicketOffice
from tests.integration.story.house import SECRET, House, User, owner_of, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 4.0 - CLOCK_SKEW_SECONDS
"""Seconds from now of an expiry that clocks' skew puts off by a moment."""


async def end_of(house: House, rpc: str, request: Any, given: str) -> tuple[grpc.StatusCode, float]:
    """Read a stream to its end; return its status, and how long it lasted."""
    begun = time.monotonic()
    call: Any = house.channel.unary_stream(STORY.path(rpc), type(request).SerializeToString, None)(
        request, metadata=Caller(given).metadata, timeout=20
    )
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code(), time.monotonic() - begun
    return grpc.StatusCode.OK, time.monotonic() - begun


async def test_a_stream_ends_with_its_token(house: House, user: User) -> None:
    """UNAUTHENTICATED, not before the skew is over; a stream with a longer token goes on beside it."""
    id_ = await user.start(story(house.script(hold_before=1).premise))
    short = token(owner_of(user), expires_in=SOON)
    watch = pb.WatchProgressRequest(generation_id=id_)
    beside = asyncio.create_task(end_of(house, "WatchProgress", watch, user.caller.token))
    ends = await asyncio.gather(
        end_of(house, "WatchProgress", watch, short),
        end_of(house, "WatchProgress", pb.WatchProgressRequest(request_id="later", wait_for_start=True), short),
        end_of(house, "WatchGenerations", pb.WatchGenerationsRequest(), short),
    )

    assert [grpc.StatusCode.UNAUTHENTICATED] * 3 == [status for status, _ in ends]
    assert all(0.3 < lasted < 10 for _, lasted in ends)
    assert not beside.done()
    house.release()
    assert grpc.StatusCode.OK == (await beside)[0]


async def test_an_expired_token_opens_nothing_more(house: House, user: User) -> None:
    """The client is told which fault it is."""
    late = house.user_with(token("late", expires_in=-CLOCK_SKEW_SECONDS - 5))
    with pytest.raises(Unauthenticated, match="expired"):
        await late.client.call("ListGenerations", pb.ListGenerationsRequest(), late.caller)


async def test_a_tickets_token_reads_its_generation_and_does_nothing_else(house: House, user: User) -> None:
    """The service itself sees to it: a gateway that forgets to look gives nothing away."""
    own, other = [await user.start(story(house.script().premise)) for _ in range(2)]
    await user.log(own)
    caller = Caller(Issuer(SECRET).reader(owner_of(user), own, time.time() + 60))
    client, tickets = Client(STORY, house.channel), Client(TICKETS, house.channel)

    assert own == (await client.call("GetGeneration", pb.GetGenerationRequest(generation_id=own), caller)).generation.id
    watch = pb.WatchProgressRequest(generation_id=own)
    assert [event async for event in client.watch(watch, caller)]
    refused: list[tuple[Client, str, Any]] = [
        (client, "GetGeneration", pb.GetGenerationRequest(generation_id=other)),
        (client, "CancelGeneration", pb.CancelGenerationRequest(generation_id=own)),
        (client, "DeleteGeneration", pb.DeleteGenerationRequest(generation_id=own)),
        (client, "ListGenerations", pb.ListGenerationsRequest()),
        (client, "ListTemplates", pb.ListTemplatesRequest()),
        (client, "StartGeneration", pb.StartGenerationRequest(story=story())),
        (tickets, "CreateTicket", TICKETS.request("CreateTicket")(generation_id=own)),
    ]
    for asked, rpc, request in refused:
        with pytest.raises(PermissionDenied, match="ticket"):
            await asked.call(rpc, request, caller)
    with pytest.raises(PermissionDenied):
        await anext(client.watch(pb.WatchProgressRequest(request_id="x", wait_for_start=True), caller))


async def test_tickets_are_given_to_who_has_a_token_and_taken_once(house: House, user: User) -> None:
    """One of many who show it at the same time is let in; what is no id of this kind has no tickets."""
    tickets = Client(TICKETS, house.channel)
    create, redeem = TICKETS.request("CreateTicket"), TICKETS.request("RedeemTicket")
    id_ = await user.start(story(house.script().premise))
    with pytest.raises(Unauthenticated):
        await tickets.call("CreateTicket", create(generation_id=id_), Caller())
    with pytest.raises(NotFound):
        await tickets.call("CreateTicket", create(generation_id="image-1"), user.caller)
    given = await tickets.call("CreateTicket", create(generation_id=id_), user.caller)
    assert 25 < given.expire_time.seconds - time.time() <= 31

    tries = [tickets.call("RedeemTicket", redeem(ticket=given.ticket), Caller()) for _ in range(8)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    (good,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert all(isinstance(answer, Unauthenticated) for answer in answers if isinstance(answer, BaseException))
    assert id_ == good.generation_id
    for word in (given.ticket, "story.unknown", "x"):
        with pytest.raises(Unauthenticated, match="does not hold"):
            await tickets.call("RedeemTicket", redeem(ticket=word), Caller())


@dataclass(frozen=True, slots=True)
class Together:
    """Records that nobody has read before all have, so that they are all of the same mind."""

    records: Records
    readers: asyncio.Barrier

    async def get(self, key: str) -> Stored | None:
        """Read, and wait for the others."""
        stored = await self.records.get(key)
        await self.readers.wait()
        return stored

    async def put(self, key: str, value: bytes, *, after: int | None = None, ttl_seconds: int | None = None) -> int:
        """Write."""
        return await self.records.put(key, value, after=after, ttl_seconds=ttl_seconds)

    async def delete(self, key: str) -> None:
        """Remove."""
        await self.records.delete(key)

    async def all(self, prefix: str) -> Mapping[str, Stored]:
        """Read all."""
        return await self.records.all(prefix)


async def test_of_servers_that_find_a_ticket_unused_one_takes_it(house: House) -> None:
    """Though all have looked before any of them has marked it."""
    records = Together(house.journal.records, asyncio.Barrier(3))
    offices = [TicketOffice("story", records, Issuer(SECRET)) for _ in range(3)]
    call = Call("ann", expires=time.time() + 60)
    asked = TICKETS.request("CreateTicket")(generation_id=f"story-{uuid4()}")
    word = (await offices[0].create(call, asked)).ticket
    shown = TICKETS.request("RedeemTicket")(ticket=word)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(each.redeem(call, shown) for each in offices), return_exceptions=True)

    assert 1 == len([answer for answer in answers if not isinstance(answer, BaseException)])
    assert 2 == len([answer for answer in answers if isinstance(answer, Unauthenticated)])
