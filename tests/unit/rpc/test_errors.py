from __future__ import annotations

from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from fabula import errors
from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.errors import (
    DOMAIN,
    GRPC_STATUS,
    INTERNAL_MESSAGE,
    MOST_DETAIL_BYTES,
    MOST_MESSAGE_CHARACTERS,
    RETRY_SECONDS,
    WEB_ANSWER,
    from_rpc_error,
    row_of,
    to_status,
)

M = TypeVar("M", bound=Message)

CLASSES = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, FabulaError)]
RETRYABLE = [cls for cls in CLASSES if cls.retryable]


def detail(error: BaseException, cls: type[M]) -> M | None:
    """Return the detail of this type in an error's status."""
    for packed in to_status(error).details:
        found = cls()
        if packed.Unpack(found):
            return found
    return None


def received(code: grpc.StatusCode, message: str | None, trailers: grpc.aio.Metadata | None = None) -> Any:
    """Return an error as grpc raises it."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers or grpc.aio.Metadata(), message, None)


def as_received(status: Any) -> grpc.aio.AioRpcError:
    """Return what a client gets of a status."""
    wire: Any = rpc_status.to_status(status)
    trailers = grpc.aio.Metadata(*wire.trailing_metadata)
    error: grpc.aio.AioRpcError = received(wire.code, wire.details, trailers)
    return error


@pytest.mark.parametrize("table", [GRPC_STATUS, WEB_ANSWER], ids=["gRPC", "web"])
def test_both_tables_have_a_row_for_every_error(table: dict[type[FabulaError], object]) -> None:
    """No class is forgotten, and none is there that does not exist."""
    assert set(CLASSES) == set(table)


def test_codes_are_unique_and_well_formed() -> None:
    """A code names one class, in the form that google.rpc demands."""
    codes = [cls.code for cls in CLASSES]

    assert len(set(codes)) == len(codes)
    assert all(2 < len(code) <= 63 and code.replace("_", "A").isalpha() and code.isupper() for code in codes)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_new_kind_of_error_is_answered_as_its_ancestor(cls: type[FabulaError]) -> None:
    """A class without a row of its own takes its parent's."""
    child = type("Child", (cls,), {})("a new one")

    assert GRPC_STATUS[cls] is row_of(GRPC_STATUS, child)
    assert WEB_ANSWER[cls] is row_of(WEB_ANSWER, child)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_has_its_status_and_its_info(cls: type[FabulaError]) -> None:
    """Status, message and ErrorInfo say what, in words for people and for programs."""
    status = to_status(cls("something about story-1", id="story-1"))

    assert code_pb2.Code.Value(GRPC_STATUS[cls].name) == status.code
    assert "something about story-1" == status.message
    info = detail(cls("something about story-1", id="story-1"), error_details_pb2.ErrorInfo)
    assert error_details_pb2.ErrorInfo(reason=cls.code, domain=DOMAIN, metadata={"id": "story-1"}) == info


@pytest.mark.parametrize("cls", CLASSES)
def test_only_what_may_help_again_says_when_to_try_again(cls: type[FabulaError]) -> None:
    """RetryInfo stands with every retryable error, and with no other."""
    assert cls.retryable is (detail(cls("…"), error_details_pb2.RetryInfo) is not None)


@pytest.mark.parametrize("cls", [errors.NotFound, errors.AlreadyExists])
def test_what_is_missing_or_there_already_is_named(cls: type[FabulaError]) -> None:
    """ResourceInfo tells what it was about, by whichever name the detail goes."""
    expected = error_details_pb2.ResourceInfo(resource_type="generation", resource_name="story-1")

    assert expected == detail(cls("…", id="story-1"), error_details_pb2.ResourceInfo)
    assert expected == detail(cls("…", generation_id="story-1"), error_details_pb2.ResourceInfo)
    assert detail(errors.Conflict("…", id="story-1"), error_details_pb2.ResourceInfo) is None


def test_a_limit_that_was_met_is_a_quota_failure() -> None:
    """It names the limit, and when to try again, where that is known."""
    met = errors.ResourceExhausted("too many wait", limit="owner_queued", retry_after_seconds="10")

    quota, again = detail(met, error_details_pb2.QuotaFailure), detail(met, error_details_pb2.RetryInfo)

    assert quota is not None
    assert [("owner_queued", "too many wait")] == [(each.subject, each.description) for each in quota.violations]
    assert again is not None
    assert 10 == again.retry_delay.seconds
    odd = detail(errors.ResourceExhausted("…", retry_after_seconds="soon"), error_details_pb2.RetryInfo)
    assert odd is not None
    assert RETRY_SECONDS == odd.retry_delay.seconds
    assert detail(errors.ResourceExhausted("…"), error_details_pb2.QuotaFailure) is None


def test_violations_become_a_bad_request() -> None:
    """Each is told with its field."""
    error = InvalidRequest("two things", (("a", "is missing"), ("b.c[1]", "is wrong")))

    bad = detail(error, error_details_pb2.BadRequest)

    assert bad is not None
    assert [("a", "is missing"), ("b.c[1]", "is wrong")] == [(v.field, v.description) for v in bad.field_violations]
    assert detail(InvalidRequest("one thing"), error_details_pb2.BadRequest) is None


@pytest.mark.parametrize("letter", ["x", "ß", "猫"])
@pytest.mark.parametrize("cls", CLASSES)
def test_no_status_outgrows_a_trailer(cls: type[FabulaError], letter: str) -> None:
    """However much an error has to say, its status stays within bounds, and says first what matters most."""
    long = letter * 20_000
    values = {f"value{number}": long for number in range(50)}
    many = tuple((f"field{number}", long) for number in range(500))
    sent = InvalidRequest(long, many, **values) if cls is InvalidRequest else cls(long, **values)

    status = to_status(sent)

    assert MOST_MESSAGE_CHARACTERS == len(status.message)
    assert status.ByteSize() <= MOST_DETAIL_BYTES + 1300
    error = from_rpc_error(as_received(status))
    assert GRPC_STATUS[cls] is GRPC_STATUS[type(error)]
    if isinstance(error, InvalidRequest):
        assert "field0" == error.violations[0][0]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_comes_back_as_it_was(cls: type[FabulaError]) -> None:
    """Class, message, details and violations survive the way over the wire."""
    sent = cls("“something” – про 猫", message="of this name too", self="and this", violations="3")

    error = from_rpc_error(as_received(to_status(sent)))

    assert (cls, sent.message, dict(sent.details)) == (type(error), error.message, dict(error.details))


def test_violations_come_back_as_they_were() -> None:
    """A client learns which field was wrong."""
    sent = InvalidRequest("a: is missing", (("a", "is missing"),), limit="5")

    error = from_rpc_error(as_received(to_status(sent)))

    assert isinstance(error, InvalidRequest)
    assert (sent.violations, {"limit": "5"}) == (error.violations, dict(error.details))


@pytest.mark.parametrize("error", [ValueError("/etc/secret"), KeyError("password"), MemoryError(), FabulaError.__new__])
def test_what_nobody_foresaw_is_told_without_its_text(error: Any) -> None:
    """An unknown error is INTERNAL; what it says stays in the log."""
    status = to_status(error)

    assert (code_pb2.INTERNAL, INTERNAL_MESSAGE) == (status.code, status.message)
    assert b"secret" not in status.SerializeToString()
    assert b"password" not in status.SerializeToString()


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_a_status_without_details_is_read_by_its_code(code: grpc.StatusCode) -> None:
    """What proxies and gRPC itself answer becomes the error that is meant, or the base of all."""
    error = from_rpc_error(received(code, "why"))

    assert "why" == error.message
    if type(error) is not FabulaError:
        meant = GRPC_STATUS[type(error)]
        same = {grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
        assert meant is code or code in same


@pytest.mark.parametrize("code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED])
def test_an_answer_that_did_not_come_is_unavailable(code: grpc.StatusCode) -> None:
    """Trying again may help."""
    error = received(code, None)

    assert isinstance(from_rpc_error(error), errors.Unavailable)
    assert code.name == from_rpc_error(error).message


@given(st.binary())
def test_details_that_are_none_do_no_harm(data: bytes) -> None:
    """Whatever stands in the trailer, the code and the message are read."""
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", data))
    error = received(grpc.StatusCode.NOT_FOUND, "gone", trailers)

    assert "gone" == from_rpc_error(error).message


def test_another_services_reason_is_not_taken_for_ours() -> None:
    """The reason of a foreign domain may mean anything: the status code decides."""
    status = to_status(errors.NotFound("gone"))
    foreign = error_details_pb2.ErrorInfo(reason="UNAVAILABLE", domain="example.com", metadata={"message": "hi"})
    status.details[0].Pack(foreign)

    error = from_rpc_error(as_received(status))

    assert (errors.NotFound, {"message": "hi"}) == (type(error), dict(error.details))
