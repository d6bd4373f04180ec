"""How a call ended, as gRPC tells it. Pure, but for what is logged.

What a service answers goes on as it is. What gRPC itself says of a service that does not answer tells of the inside,
and is told in the gateway's own words.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from fabula.rpc.errors import DOMAIN, MOST_MESSAGE_CHARACTERS, details_of, from_rpc_error, to_status
from gateway.answers import as_told

Metadata = tuple[tuple[str, str | bytes], ...]
"""Names and values; the values of names in "-bin" are bytes."""

DETAILS = "grpc-status-details-bin"

_AS_THEY_ARE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_SAID_ELSEWHERE = {"grpc-status", "grpc-message", DETAILS}


class Refusal(Exception):
    """What a call is refused for, where the errors of the services have no word for it.

    Attributes:
        code: gRPC's status.
        message: A sentence for people.
        metadata: What is told beside it.
    """

    def __init__(self, code: grpc.StatusCode, message: str, metadata: Metadata = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.metadata = metadata


@dataclass(frozen=True, slots=True)
class Status:
    """The end of a call.

    Attributes:
        code: gRPC's number.
        message: A sentence for people; empty: none.
        details: A `google.rpc.Status`, encoded; empty: there are none.
        metadata: Trailing metadata.
        name: Under which name it is counted; empty: it is no error.
    """

    code: int = 0
    message: str = ""
    details: bytes = b""
    metadata: Metadata = ()
    name: str = ""

    def fields(self) -> Iterator[tuple[str, str]]:
        """Yield it as lines of trailers, or as headers: names in lower case, and values in printable ASCII."""
        yield "grpc-status", str(self.code)
        if self.message:
            yield "grpc-message", percent_encoded(self.message)
        if self.details:
            yield DETAILS, in_base64(self.details)
        for key, value in self.metadata:
            yield key, in_base64(value) if isinstance(value, bytes) else value


def percent_encoded(message: str) -> str:
    """Return a status message as trailers have it (PROTOCOL-HTTP2, `Percent-Encoded`)."""
    return quote(message, safe=_AS_THEY_ARE, errors="replace")


def in_base64(data: bytes) -> str:
    """Return binary metadata as it stands among text: without padding, as gRPC asks (PROTOCOL-HTTP2, `Binary-Header`).

    In text mode the rules of gRPC-Web would leave this out. No client expects that, and none could read the lines.
    """
    return base64.b64encode(data).rstrip(b"=").decode()


def fine(trailing: Iterable[tuple[str, str | bytes]] = ()) -> Status:
    """Return the status of a call that went well, with the trailing metadata that came with it."""
    return Status(metadata=_passed_on(trailing))


def status_of(error: BaseException) -> Status:
    """Return what to tell of an error. One that nobody foresaw is logged, and told without its text."""
    if isinstance(error, Refusal):
        return _refused(error)
    if not isinstance(error, grpc.aio.AioRpcError):
        told = as_told(error)
        return _rich(to_status(told), told.code)
    if not details_of(error):
        return _said_by_grpc(error)
    trailing = cast("Metadata", tuple(error.trailing_metadata()))
    details = next((value for key, value in trailing if key == DETAILS and isinstance(value, bytes)), b"")
    code: Any = error.code().value
    return Status(code[0], error.details() or "", details, _passed_on(trailing), from_rpc_error(error).code)


def _refused(refusal: Refusal) -> Status:
    number: Any = refusal.code.value
    status = status_pb2.Status(code=number[0], message=refusal.message[:MOST_MESSAGE_CHARACTERS])
    info = AnyMessage()
    info.Pack(error_details_pb2.ErrorInfo(reason=refusal.code.name, domain=DOMAIN))
    status.details.append(info)
    return _rich(status, refusal.code.name, refusal.metadata)


def _said_by_grpc(error: grpc.aio.AioRpcError) -> Status:
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return _refused(Refusal(grpc.StatusCode.UNIMPLEMENTED, "the service does not know this method: it is older"))
    meant = from_rpc_error(error)
    meant.__cause__ = error
    return status_of(meant)


def _rich(status: status_pb2.Status, name: str, metadata: Metadata = ()) -> Status:
    return Status(status.code, status.message, status.SerializeToString(), metadata, name)


def _passed_on(trailing: Iterable[tuple[str, str | bytes]]) -> Metadata:
    return tuple((key, value) for key, value in trailing if key not in _SAID_ELSEWHERE)
