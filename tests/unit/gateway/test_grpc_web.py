"""gRPC-Web on the wire: what is read, what is refused, what is written."""

from __future__ import annotations

import base64
from itertools import pairwise

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from fabula.errors import NotFound
from gateway.doors.grpc_web.status import Refusal, Status, fine, percent_encoded, status_of
from gateway.doors.grpc_web.wire import (
    RequestReader,
    TextDecoder,
    as_text,
    formats_of,
    message_frame,
    seconds_of,
    trailers_frame,
)

MOST = 1000


def read(*pieces: bytes, text: bool = False, most_bytes: int = MOST) -> bytes:
    """Return the message of a request that comes in these pieces."""
    reader = RequestReader(most_bytes, text=text)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def refusal(*pieces: bytes, text: bool = False) -> Refusal:
    """Return what such a request is refused with."""
    with pytest.raises(Refusal) as caught:
        read(*pieces, text=text)
    return caught.value


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return data in pieces, cut at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.binary(max_size=MOST), st.lists(st.integers(0, 5000)), st.booleans())
def test_a_message_is_read_however_it_is_cut(message: bytes, places: list[int], text: bool) -> None:
    """In both forms, the empty one too."""
    body = message_frame(message)
    pieces = cut(as_text(body) if text else body, places)

    assert message == read(*pieces, text=text)


@given(st.binary(max_size=60), st.lists(st.integers(0, 200)), st.booleans())
def test_whatever_comes_is_read_or_refused(body: bytes, places: list[int], text: bool) -> None:
    """Nothing else is ever raised, and how it is cut makes no difference."""

    def outcome(pieces: list[bytes]) -> object:
        try:
            return read(*pieces, text=text, most_bytes=40)
        except Refusal as error:
            return error.code, error.message

    whole, in_pieces, by_byte = outcome([body]), outcome(cut(body, places)), outcome(cut(body, list(range(61))))

    assert isinstance(whole, bytes) == isinstance(in_pieces, bytes) == isinstance(by_byte, bytes)
    if isinstance(whole, bytes):
        assert whole == in_pieces == by_byte


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(0, 500)), st.booleans())
def test_padding_may_stand_wherever_a_sender_has_flushed(parts: list[bytes], places: list[int], bare: bool) -> None:
    """Each part is base64 of its own; the last one's padding may be missing."""
    text = b"".join(as_text(part) for part in parts)
    decoder = TextDecoder()
    decoded = b"".join(decoder.feed(piece) for piece in cut(text.rstrip(b"=") if bare else text, places))

    assert b"".join(parts) == decoded + decoder.finish()


@pytest.mark.parametrize(
    "text",
    [b"A", b"AAAAA", b"AA=A", b"====", b"A===", b"AAAA=", b"AA\nAA", b"AA-_", b"AAAA====", b"\xc3\xa9AA", b"=AAA"],
)
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    """One character alone, padding out of place, another alphabet, line ends."""
    error = refusal(text, text=True)

    assert grpc.StatusCode.INVALID_ARGUMENT is error.code
    assert "base64" in error.message


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"", grpc.StatusCode.UNIMPLEMENTED, "there is none"),
        (b"\x00", grpc.StatusCode.INVALID_ARGUMENT, "ended within"),
        (b"\x00\x00\x00\x00", grpc.StatusCode.INVALID_ARGUMENT, "ended within"),
        (b"\x00\x00\x00\x00\x02a", grpc.StatusCode.INVALID_ARGUMENT, "ended within"),
        (b"\x00\x00\x00\x00\x01ab", grpc.StatusCode.UNIMPLEMENTED, "exactly one"),
        (message_frame(b"a") * 2, grpc.StatusCode.UNIMPLEMENTED, "exactly one"),
        (message_frame(b"a") + trailers_frame([("x", "y")]), grpc.StatusCode.UNIMPLEMENTED, "exactly one"),
        (b"\x01\x00\x00\x00\x01a", grpc.StatusCode.UNIMPLEMENTED, "compressed"),
        (b"\x80\x00\x00\x00\x00", grpc.StatusCode.INVALID_ARGUMENT, "flags are 128"),
        (
            b"\x00\x00\x00\x03\xe9" + bytes(MOST + 1),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "1001 bytes, and may have 1000",
        ),
        (b"\x00\xff\xff\xff\xff", grpc.StatusCode.RESOURCE_EXHAUSTED, "4294967295 bytes"),
    ],
)
@pytest.mark.parametrize("text", [False, True])
def test_what_is_not_one_message_is_refused(body: bytes, code: grpc.StatusCode, said: str, text: bool) -> None:
    """Each with gRPC's own status for it, and a sentence."""
    error = refusal(as_text(body) if text else body, text=text)

    assert code is error.code
    assert said in error.message


def test_what_can_be_read_is_said_with_compressed_messages() -> None:
    """As gRPC asks (PROTOCOL-HTTP2)."""
    assert (("grpc-accept-encoding", "identity"),) == refusal(b"\x01\x00\x00\x00\x01a").metadata


def test_the_largest_message_is_read() -> None:
    """The bound is a bound of the message, not of the body."""
    assert bytes(MOST) == read(message_frame(bytes(MOST)))
    assert bytes(MOST) == read(as_text(message_frame(bytes(MOST))), text=True)


def test_too_large_a_message_is_refused_by_its_first_bytes() -> None:
    """Before any of it is held."""
    reader = RequestReader(MOST, text=False)
    reader.feed(b"\x00\x00\x00\x03")

    with pytest.raises(Refusal):
        reader.feed(b"\xe9")


@pytest.mark.parametrize(
    ("content_type", "accept", "forms"),
    [
        ("application/grpc-web", "", (False, False)),
        ("application/grpc-web+proto", "*/*", (False, False)),
        ("Application/gRPC-Web+Proto; charset=utf-8", "", (False, False)),
        ("application/grpc-web-text", "application/grpc-web-text", (True, True)),
        ("application/grpc-web-text+proto", "", (True, True)),
        ("application/grpc-web-text-base64", "", (True, True)),
        ("application/grpc-web+proto", "application/grpc-web-text", (False, True)),
        ("application/grpc-web-text", "application/grpc-web+proto", (True, False)),
        ("application/grpc-web-text", "application/grpc-web, application/grpc-web-text", (True, True)),
        ("application/grpc-web+json", "", None),
        ("application/grpc", "", None),
        ("application/grpc-web2", "", None),
        ("application/json", "application/grpc-web", None),
        ("", "", None),
    ],
)
def test_the_form_is_told_by_the_headers(content_type: str, accept: str, forms: tuple[bool, bool] | None) -> None:
    """The answer's form is the request's, unless the other one is asked for."""
    found = formats_of(content_type, accept)

    assert forms == (found and (found.text_request, found.text_answer))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("1500m", 1.5), ("7u", 7e-6), ("0n", 0), ("99999999S", 99999999)],
)
def test_timeouts_are_read_in_all_units(text: str, seconds: float) -> None:
    """Up to eight digits, and a unit."""
    assert seconds == pytest.approx(seconds_of(text))


@pytest.mark.parametrize("text", ["", "1", "S", "-1S", "1s", "123456789S", "1.5S", "1S ", "٣S"])
def test_what_is_no_timeout_is_refused(text: str) -> None:
    """It must not be taken for none."""
    with pytest.raises(Refusal, match="grpc-timeout"):
        seconds_of(text)


def test_trailers_are_lines_behind_the_flag() -> None:
    """Without the empty line of HTTP/1."""
    frame = trailers_frame(Status(5, "gone: ä%\n", b"\x00\x01", (("x-bin", b"\xff"), ("y", "z"))).fields())
    lines = (
        "grpc-status: 5\r\ngrpc-message: gone: %C3%A4%25%0A\r\ngrpc-status-details-bin: AAE\r\nx-bin: /w\r\ny: z\r\n"
    )

    assert b"\x80" + len(lines).to_bytes(4, "big") + lines.encode() == frame


@given(st.text())
def test_messages_are_printable_and_can_be_read_back(message: str) -> None:
    """Whatever they hold."""
    from urllib.parse import unquote  # noqa: PLC0415 - only here

    encoded = percent_encoded(message)

    assert encoded.isascii()
    assert not encoded or encoded.isprintable()
    assert message.encode(errors="replace").decode() == unquote(encoded)


def test_a_good_end_tells_trailing_metadata_but_no_status_of_another() -> None:
    """What the gateway says itself comes once."""
    status = fine([("grpc-status", "3"), ("grpc-message", "x"), ("x-seen", "1")])

    assert [("grpc-status", "0"), ("x-seen", "1")] == list(status.fields())


def test_errors_of_ours_come_with_their_details() -> None:
    """The same as from a service."""
    status = status_of(NotFound("there is no such generation", id="story-1"))
    details = status_pb2.Status.FromString(status.details)
    info = error_details_pb2.ErrorInfo()
    details.details[0].Unpack(info)

    assert (5, "there is no such generation", "NOT_FOUND") == (status.code, status.message, status.name)
    assert ("NOT_FOUND", "fabula", {"id": "story-1"}) == (info.reason, info.domain, dict(info.metadata))


def test_unforeseen_errors_are_told_without_their_text() -> None:
    """It may say anything."""
    status = status_of(ValueError("a secret"))

    assert (13, "INTERNAL") == (status.code, status.name)
    assert b"secret" not in status.details
    assert "secret" not in status.message


def test_as_text_is_padded() -> None:
    """So that a client may decode what it has by now."""
    assert b"AAAAAAE=" == as_text(b"\x00\x00\x00\x00\x01")
    assert base64.b64decode(as_text(b"x")) == b"x"
