from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import InvalidRequest, ResourceExhausted
from fabula.rpc.errors import from_rpc_error
from fabula.rpc.kinds import STORY
from tests.integration.story.house import House, User, story

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def send(house: House, user: User, data: bytes, rpc: str = "StartGeneration") -> bytes:
    """Send bytes as a request; return the response's."""
    method = house.channel.unary_unary(STORY.path(rpc), request_serializer=None, response_deserializer=None)
    try:
        answer: bytes = await method(data, metadata=user.caller.metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    return answer


async def refused(house: House, request: pb.StartGenerationRequest) -> InvalidRequest:
    """Send a request that must be refused; check that nothing was started."""
    user = house.user()
    with pytest.raises(InvalidRequest) as caught:
        await send(house, user, request.SerializeToString())
    assert [] == await user.listed()
    return caught.value


BAD: dict[str, tuple[pb.StartGenerationRequest, str]] = {
    "nothing": (pb.StartGenerationRequest(), "story"),
    "no premise": (pb.StartGenerationRequest(story=pb.StoryRequest()), "story"),
    "blank premise": (pb.StartGenerationRequest(story=pb.StoryRequest(premise=" \n\t")), "story"),
    "premise of control characters": (
        pb.StartGenerationRequest(story=pb.StoryRequest(premise="\x1f")),
        "story.premise",
    ),
    "1 MB premise": (pb.StartGenerationRequest(story=story("x" * 1_000_000)), "story.premise"),
    "empty source": (pb.StartGenerationRequest(story=pb.StoryRequest(source=pb.Source())), "story.source"),
    "blank source": (pb.StartGenerationRequest(story=story(source=pb.Source(text="  \n "))), "story.source"),
    "binary source": (
        pb.StartGenerationRequest(story=story(source=pb.Source(data=bytes(range(32)) * 9))),
        "story.source",
    ),
    "source too large": (
        pb.StartGenerationRequest(story=story(source=pb.Source(data=b"x" * 1_048_577))),
        "story.source.data",
    ),
    "source stored already": (
        pb.StartGenerationRequest(story=story(source={"text": "Once.", "stored": {"name": "story/another/source"}})),
        "story.source",
    ),
    "two of one name": (
        pb.StartGenerationRequest(story=story(characters=[{"name": "Ann"}, {"name": " ANN "}])),
        "story.characters[1].name",
    ),
    "a name of blanks": (
        pb.StartGenerationRequest(story=story(characters=[{"name": "  "}])),
        "story.characters[0].name",
    ),
    "request id with blanks": (pb.StartGenerationRequest(request_id="a b", story=story()), "request_id"),
    "too short for its chapters": (pb.StartGenerationRequest(story=story(words=100, chapters=3)), "story"),
    "not a number": (
        pb.StartGenerationRequest(story=story(sampling={"temperature": float("nan")})),
        "story.sampling.temperature",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD))
async def test_a_bad_start_is_refused_by_name_and_starts_nothing(idle_house: House, case: str) -> None:
    """The answer names the field at fault, and the list of generations stays empty."""
    request, field = BAD[case]

    error = await refused(idle_house, request)

    assert field in [path for path, _ in error.violations]
    assert all(description for _, description in error.violations)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"\x12\xff\xff\xff\xff\x0f",  # longer than it is
        b"\x08\x96\x01\x0b",
    ],
)
async def test_bytes_that_are_no_request_are_refused(idle_house: House, data: bytes) -> None:
    """What cannot be decoded is the caller's fault, named as such, in every rpc."""
    user = idle_house.user()

    for rpc in ("StartGeneration", "GetGeneration", "ListGenerations"):
        with pytest.raises(InvalidRequest, match=f"not a {rpc}Request"):
            await send(idle_house, user, data, rpc)
    assert [] == await user.listed()


async def test_bytes_that_are_no_utf8_are_refused(idle_house: House) -> None:
    """A premise in an encoding of its own makes the whole request unreadable."""
    user = idle_house.user()

    with pytest.raises(InvalidRequest, match="not a StartGenerationRequest"):
        await send(idle_house, user, b"\x12\x05\x0a\x03\xff\xfe\xfd")
    assert [] == await user.listed()


async def test_a_wrong_type_is_refused(idle_house: House) -> None:
    """A number where text should be is no request: proto3 sees an unknown field, and the premise is missing."""
    user = idle_house.user()

    with pytest.raises(InvalidRequest):
        await send(idle_house, user, b"\x12\x02\x08\x05")
    assert [] == await user.listed()


async def test_unknown_fields_are_ignored(idle_house: House) -> None:
    """A newer client's extra field does no harm."""
    user = idle_house.user()
    unknown = b"\xfa\x3e\x05hello"  # field 1007

    data = await send(idle_house, user, pb.StartGenerationRequest(story=story()).SerializeToString() + unknown)

    assert [pb.StartGenerationResponse.FromString(data).generation.id] == await user.listed()


async def test_a_message_beyond_what_a_server_takes_is_refused(idle_house: House) -> None:
    """It is refused by gRPC itself, unread."""
    user = idle_house.user()
    request = pb.StartGenerationRequest(story=story("x" * (12 << 20)))

    with pytest.raises(ResourceExhausted):
        await send(idle_house, user, request.SerializeToString())
    assert [] == await user.listed()


async def test_a_list_of_many_faults_fits_into_a_header(idle_house: House) -> None:
    """However much is wrong, the answer arrives, with as many faults as there is room for."""
    nobody = {"name": "n" * 4000}
    request = pb.StartGenerationRequest(
        request_id="ä" * 9000, story=story(characters=[nobody] * 12, sampling={"temperature": 9, "top_p": 9})
    )
    user = idle_house.user()
    method: Any = idle_house.channel.unary_unary(
        STORY.path("StartGeneration"), request_serializer=None, response_deserializer=None
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(request.SerializeToString(), metadata=user.caller.metadata, timeout=10)

    assert grpc.StatusCode.INVALID_ARGUMENT == caught.value.code()
    trailers: Any = caught.value.trailing_metadata()
    details = dict(trailers)["grpc-status-details-bin"]
    assert len(details) < 8000
    bad = error_details_pb2.BadRequest()
    packed: list[any_pb2.Any] = list(status_pb2.Status.FromString(details).details)
    assert any(detail.Unpack(bad) for detail in packed)
    assert "request_id" in [violation.field for violation in bad.field_violations]


@pytest.mark.parametrize(
    ("rpc", "fields"),
    [
        ("WatchProgress", {}),
        ("WatchProgress", {"generation_id": ""}),
        ("WatchProgress", {"generation_id": "x" * 65}),
        ("WatchProgress", {"request_id": "a b"}),
        ("GetGeneration", {}),
        ("CancelGeneration", {"generation_id": "x" * 65}),
        ("RetryGeneration", {"generation_id": "story-1", "from_stage": "x" * 65}),
        ("ListGenerations", {"states": [0]}),
        ("ListGenerations", {"states": [99]}),
        ("ListGenerations", {"states": [1] * 7}),
        ("ListGenerations", {"page_token": "x" * 257}),
    ],
)
async def test_every_rpc_checks_its_request(idle_house: House, rpc: str, fields: dict[str, Any]) -> None:
    """The rules of the proto hold in every rpc, streams included."""
    user = idle_house.user()
    asking = user.watched(**fields) if rpc == "WatchProgress" else user.call(rpc, **fields)

    with pytest.raises(InvalidRequest) as caught:
        await asking

    assert caught.value.violations
