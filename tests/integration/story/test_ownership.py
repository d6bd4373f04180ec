from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import NotFound, Unauthenticated
from fabula.rpc.kinds import STORY
from tests.integration.story.house import SECRET, House, User, first, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMING = ("WatchProgress", "WatchGenerations")
RPCS = tuple(method.name for method in STORY.api.DESCRIPTOR.services_by_name["StoryService"].methods)
BY_ID = tuple(rpc for rpc in RPCS if "generation_id" in STORY.request(rpc).DESCRIPTOR.fields_by_name)

Ask = Callable[[User, str], Awaitable[Any]]


async def answer(house: House, user: User, rpc: str, request: Any) -> tuple[grpc.StatusCode, str, bytes]:
    """Return an rpc's refusal as it stands on the wire: status, message and details."""
    arity = house.channel.unary_stream if rpc in STREAMING else house.channel.unary_unary
    call = arity(
        STORY.path(rpc),
        request_serializer=STORY.request(rpc).SerializeToString,
        response_deserializer=STORY.response(rpc).FromString,
    )(request, metadata=user.caller.metadata, timeout=10)
    code, message = await call.code(), await call.details()
    trailers = dict(await call.trailing_metadata() or ())
    return code, message, trailers.get("grpc-status-details-bin", b"")


def as_if(refusal: tuple[grpc.StatusCode, str, bytes], id_: str, other: str) -> tuple[grpc.StatusCode, str, bytes]:
    """Return a refusal with one id put in another's place: of the same length, it fits even into bytes."""
    return refusal[0], refusal[1].replace(id_, other), refusal[2].replace(id_.encode(), other.encode())


@pytest.mark.parametrize("rpc", BY_ID)
@pytest.mark.parametrize("how", ["fresh", "resumed"])
async def test_a_foreign_generation_is_answered_exactly_as_an_unknown_one(
    house: House, user: User, rpc: str, how: str
) -> None:
    """Status, message and details do not differ, so nobody learns whether an id is somebody's."""
    ben = house.user()
    foreign, unknown = await user.start(story(house.script().premise)), f"story-{uuid4()}"
    await user.log(foreign)
    more: dict[str, Any] = {"after_sequence": 3} if how == "resumed" and rpc == "WatchProgress" else {}
    more |= {"from_stage": "outline"} if how == "resumed" and rpc == "RetryGeneration" else {}

    refusals = [
        await answer(house, ben, rpc, STORY.request(rpc)(generation_id=id_, **more)) for id_ in (foreign, unknown)
    ]

    assert grpc.StatusCode.NOT_FOUND == refusals[0][0]
    assert as_if(refusals[1], unknown, foreign) == refusals[0]
    assert (await user.get(foreign)).last_sequence > 1  # and nothing has happened to it


async def test_lists_and_feeds_hold_the_callers_own_only(idle_house: House) -> None:
    """Two owners at one server do not see each other."""
    ann, ben = idle_house.user(), idle_house.user()
    anns, bens = await ann.start(), await ben.start()

    assert [anns] == await ann.listed()
    for user, id_ in ((ann, anns), (ben, bens)):
        data = await first(user.client.stream("WatchGenerations", pb.WatchGenerationsRequest(), user.caller), 1)
        assert id_ == pb.WatchGenerationsResponse.FromString(data[0]).generation.id


async def test_a_watch_by_anothers_request_id_finds_nothing(house: House, user: User) -> None:
    """A request id names a generation of the caller's, or none."""
    await user.start(story(house.script().premise), request_id="known-to-both")

    with pytest.raises(NotFound):
        await house.user().watched(request_id="known-to-both")


async def test_who_waits_for_anothers_story_waits_in_vain(house: House, user: User) -> None:
    """A foreign generation is not what a waiting watcher waits for, though it is there."""
    id_ = await user.start(story(house.script().premise))
    await user.log(id_)

    with pytest.raises(TimeoutError):
        await first(house.user().watch(generation_id=id_, wait_for_start=True), 1, seconds=0.3)


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "none": lambda: "",
    "nonsense": lambda: "nonsense",
    "expired": lambda: token("ann", expires_in=-60),
    "of another secret": lambda: token("ann", secret="another secret of at least 32 bytes"),
    "unsigned": lambda: jwt.encode({"sub": "ann", "exp": 2**31}, "", algorithm="none"),
    "without an owner": lambda: jwt.encode({"exp": 2**31}, SECRET, algorithm="HS256"),
    "without an end": lambda: jwt.encode({"sub": "ann"}, SECRET, algorithm="HS256"),
    "not yet good": lambda: token("ann", nbf=2**31),
    "tampered with": lambda: token("ann")[:-4] + "AAAA",
}


@pytest.mark.parametrize("bad", sorted(BAD_TOKENS))
@pytest.mark.parametrize("rpc", RPCS)
async def test_no_rpc_answers_without_a_good_token(house: House, rpc: str, bad: str) -> None:
    """Every rpc refuses, with the reason for programs, before it even reads the request."""
    user = house.user_with(BAD_TOKENS[bad]())

    code, message, details = await answer(house, user, rpc, STORY.request(rpc)())

    assert grpc.StatusCode.UNAUTHENTICATED == code
    assert "token" in message
    assert ("UNAUTHENTICATED", "fabula") == reason_in(details)


def reason_in(details: bytes) -> tuple[str, str]:
    """Return reason and domain of the ErrorInfo in a status."""
    info = error_details_pb2.ErrorInfo()
    packed: any_pb2.Any = status_pb2.Status.FromString(details).details[0]
    assert packed.Unpack(info)
    return info.reason, info.domain


async def test_a_token_that_has_expired_does_not_resume_a_watch(house: House) -> None:
    """Ownership is looked at each time a watch begins, not only at the start of the story."""
    user = house.user("carla")
    id_ = await user.start(story(house.script().premise))
    await first(user.watch(generation_id=id_), 2)

    late = house.user_with(token("carla", expires_in=-60))

    with pytest.raises(Unauthenticated):
        await late.watched(generation_id=id_, after_sequence=2)


async def test_a_new_token_of_the_same_owner_is_the_same_owner(house: House) -> None:
    """What counts is the token's subject."""
    id_ = await house.user("dora").start(story(house.script().premise))

    async with asyncio.timeout(20):
        assert id_ in await house.user("dora", jti="another").listed()
