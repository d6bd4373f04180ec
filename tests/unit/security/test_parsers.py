"""Whatever comes from the network is read, or refused by the error that is documented for it; nothing else is raised.

Each parser is given what it is made for with parts exchanged, and what has nothing to do with it. What the doors'
own tests feed with chance is not repeated: gRPC-Web (test_grpc_web.py), ranges (test_ranges.py), webhooks' addresses
(webhooks/test_targets.py), the payloads of families (tests/contract/test_dialects.py), pictures (uploads/).
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request

from fabula.errors import FabulaError, InvalidRequest, NotFound
from fabula.rpc.edge import _trace_id
from fabula.rpc.validation import validate, warm
from fabula.webhooks.addresses import Rules
from fabula.webhooks.targets import target_of
from gateway.bodies import BodyLimits, read_json_or_form
from gateway.cursors import read_cursor
from gateway.dialects.native import DIALECTS, NativeJson, NativeProto, Refused, Unreadable
from gateway.doors.client_messages import answer_to
from gateway.doors.grpc_web.status import Refusal
from gateway.doors.grpc_web.wire import formats_of, seconds_of
from gateway.doors.socket_io.packets import packets_of
from gateway.doors.socket_io.reading import UNREADABLE, PacketReader
from gateway.frontends import character_addresses, image_tasks, story_wishes
from gateway.frontends.character_places import character_id_of, read_place
from gateway.frontends.requests import read_body, read_object, request_id_of
from gateway.json_requests import fill, in_json_names, parse_object
from gateway.limits import Budget
from gateway.queries import whole_number
from gateway.ranges import part_of
from services.character import library as character_library
from services.story import contract as story_contract
from tests.unit.security.chance import LATIN, LONG, MANY, TEXT, VALUES
from tests.unit.security.contracts import requests

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]


def shaped(descriptor: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Return JSON with this message's fields, each of its own type or of any."""

    def of(field: Any) -> st.SearchStrategy[Any]:
        own: st.SearchStrategy[Any] = TEXT | st.integers()
        if field.message_type is not None and depth:
            own = shaped(field.message_type, depth - 1)
        return st.one_of(st.lists(own, max_size=3) if field.is_repeated else own, VALUES)

    names = [name for field in descriptor.fields for name in (field.json_name, field.name)]
    fields = {name: of(field) for field in descriptor.fields for name in (field.json_name, field.name)}
    if not names:
        return VALUES
    some = st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True)
    return some.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}))


# --- messages -----------------------------------------------------------------------------------------------------


@MANY
@given(st.data())
def test_json_of_any_request_is_read_or_refused(data: st.DataObject) -> None:
    """By a violation that names the field, as the contract writes it in JSON."""
    cls = data.draw(st.sampled_from(requests()))
    content = data.draw(shaped(cls.DESCRIPTOR) | VALUES)
    message = cls()
    try:
        fill(message, content)
        validate(message)
    except InvalidRequest as error:
        str(in_json_names(error)).encode()  # it is told over HTTP


@MANY
@given(st.data())
def test_bytes_of_any_request_are_read_or_refused(data: st.DataObject) -> None:
    """Cut, too, and with other bytes between."""
    cls = data.draw(st.sampled_from(requests()))
    message = cls()
    with suppress(InvalidRequest):
        fill(message, data.draw(shaped(cls.DESCRIPTOR)))
    whole = bytearray(message.SerializeToString() + data.draw(st.binary(max_size=20)))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4)):
        if place < len(whole):
            whole[place] = byte
    with suppress(DecodeError, InvalidRequest):
        validate(cls.FromString(bytes(whole)))


@MANY
@given(st.one_of(TEXT, VALUES.map(json.dumps), st.data()), st.binary(max_size=60))
def test_frames_are_read_or_refused(text: Any, data: bytes) -> None:
    """In both encodings; what is refused names the frame it answers."""
    if not isinstance(text, str):
        text = json.dumps(text.draw(shaped(requests_of_frames().DESCRIPTOR)))
    for dialect, message in ((NativeJson(), text), (NativeProto(), data), (NativeJson(), data), (NativeProto(), text)):
        try:
            dialect.decode(message)
        except Refused as refused:
            named = refused.frame_id
        except Unreadable as unreadable:
            named = unreadable.reason
        else:
            named = ""
        assert len(named) <= 123
    assert 2 == len(DIALECTS)
    for answered in ("x" * 65, "\r\n"):  # an answer brings back no more than an id
        with pytest.raises(Refused) as unfit:
            NativeProto().decode(requests_of_frames()(frame_id=answered).SerializeToString())
        assert "" == unfit.value.frame_id


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    """The rules of a message are compiled when it is first checked."""
    warm(cls() for cls in requests())


def requests_of_frames() -> Any:
    """Return the class of clients' frames."""
    return next(cls for cls in requests() if cls.DESCRIPTOR.name == "ClientFrame")


@MANY
@given(TEXT | VALUES.map(json.dumps))
def test_what_one_way_sockets_hear_is_answered_or_not(text: str) -> None:
    """By an object, or by nothing."""
    assert isinstance(answer_to(text), dict | None)


# --- Socket.IO ----------------------------------------------------------------------------------------------------

PACKETS = st.builds(
    lambda kind, count, namespace, number, content: f"{kind}{count}{namespace}{number}{content}",
    st.sampled_from("0123456789") | st.text(max_size=2),
    st.sampled_from(["", "0-", "1-", "16-", "17-", "99999999999-", "٣-", "-"]) | LONG,
    st.sampled_from(["", "/stories,", "/,", "/x?token=1,", "/\0,", "/" + "n" * 3000]),
    st.sampled_from(["", "0", "7", "-1", "99999999999999999999", "٣"]) | LONG,
    TEXT
    | VALUES.map(json.dumps)
    | st.sampled_from(['{"_placeholder":true,"num":0}', '["x",{"_placeholder":true,"num":-9}]']),
)


@MANY
@given(st.lists(PACKETS | st.text(max_size=20) | st.binary(max_size=20), max_size=5))
def test_packets_of_socket_io_are_read_or_refused(packets: list[str | bytes]) -> None:
    """With their attachments, in any order, by the errors that end a connection."""
    reader = PacketReader(1000)
    with suppress(*UNREADABLE):
        reader.read("0")
        for packet in packets:
            reader.read(packet)


@MANY
@given(st.lists(PACKETS | st.sampled_from(["1", "2probe", "3", "5", "b", "bAAAA", "b!", "4", ""]), max_size=6), TEXT)
def test_bodies_of_long_polling_are_read_or_refused(packets: list[str], junk: str) -> None:
    """All of a body or nothing; only what comes with a PONG is left out."""
    for body in ("\x1e".join(packets), junk):
        found = packets_of(body)
        assert found is None or found == ["3" if each.startswith("3") else each for each in body.split("\x1e")]


# --- bodies -------------------------------------------------------------------------------------------------------

DISPOSITIONS = st.builds(
    lambda name, file, more: f'form-data; name="{name}"{file}{more}',
    st.sampled_from(["file", "request", "image", "description", "", "é", "a\\", '"', "x" * 300]) | LATIN,
    st.sampled_from(
        ["", '; filename="a.txt"', "; filename", "; filename*=utf-8''%E2%82%AC", '; filename="../\\x.png"']
    ),
    st.sampled_from(["", "; name=again", ";;;", "; x*0=a; x*1=b"]),
)
PARTS = st.builds(
    lambda disposition, more, body: b"\r\n".join(
        [f"Content-Disposition: {disposition}".encode("latin-1", "replace"), *more, b"", body]
    ),
    DISPOSITIONS,
    st.lists(
        st.sampled_from([b"Content-Type: text/plain; charset=klingon", b"Content-Type: image/png", b"X:", b"\xff: y"])
    ),
    st.binary(max_size=60) | st.just(b'{"prompt":"owl"}'),
)
BODIES = st.one_of(
    st.lists(PARTS, max_size=6).map(
        lambda parts: b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    ),
    st.binary(max_size=120),
    (TEXT | VALUES.map(json.dumps)).map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(st.sampled_from(["prompt=owl", "a", "=", "&", "%", "%zz", "x=%FF", "n=1&" * 70]))
    .map("&".join)
    .map(str.encode),
)
TYPES = st.sampled_from([
    "multipart/form-data; boundary=b", "multipart/form-data; boundary=", "multipart/form-data",
    "Multipart/Form-Data; BOUNDARY=b",
    'multipart/form-data; boundary="b"; charset=klingon', "multipart/form-data; boundary=" + "b" * 300,
    "multipart/form-data; boundary=\xe9", "application/json", "application/json; charset=utf-16",
    "application/x-www-form-urlencoded", "text/plain", "",
])  # fmt: skip


def request_with(body: bytes, content_type: str, cut: int, *, lost: bool) -> Request:
    """Return a request whose body comes in two pieces, or ends between them."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body[:cut], "more_body": True}]
    last = {"type": "http.request", "body": body[cut:], "more_body": False}
    messages.append({"type": "http.disconnect"} if lost else last)

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    class App:
        state = State({"body_limits": BodyLimits(5000, 2000, Budget(1 << 20), lambda _limit: None)})

    headers = [(b"content-type", content_type.encode("latin-1"))]
    return Request({"type": "http", "method": "POST", "headers": headers, "app": App()}, receive)


@MANY
@given(BODIES, TYPES, st.integers(0, 200), st.booleans())
async def test_bodies_are_read_or_refused(body: bytes, content_type: str, cut: int, lost: bool) -> None:
    """Forms, JSON and what is neither, by every reader that there is; and what families make of them."""

    async def by(reader: Any) -> Any:
        return await reader(request_with(body, content_type, cut, lost=lost))

    for reader in (read_json_or_form, lambda request: read_body(request, 4000), read_object):
        with suppress(InvalidRequest, HTTPException):
            found = await by(reader)
            if isinstance(found, dict):
                for start in (story_wishes.start_request, image_tasks.start_request):
                    validated(start, found)
            elif not isinstance(found, tuple):
                validated(character_addresses.start_request, found)


WISHES = st.sampled_from([
    "prompt", "premise", "length", "words", "chapters", "characters", "seed", "task_id", "steps", "width", "revisions",
    "num_inference_steps", "use_generation", "high_quality", "genre", "title", "request_id", "requestId",
])  # fmt: skip
WISHED = st.sampled_from(
    ["short", "500 words", "٣٠٠ words", "9" * 400 + " words", "1.5", "1e999", "Ann, Bo", "character-x"]
)


@MANY
@given(st.dictionaries(WISHES, VALUES | WISHED, max_size=5))
def test_wishes_of_front_ends_are_read_or_refused(content: dict[str, Any]) -> None:
    """Whatever stands in the JSON that they send."""
    with suppress(UnicodeEncodeError):
        json.dumps(content, ensure_ascii=False).encode()
        for start in (story_wishes.start_request, image_tasks.start_request):
            validated(start, content)


def validated(start: Any, content: Any) -> None:
    """Make a request of it, as the service would read it."""
    with suppress(InvalidRequest):
        validate(start(content))


@MANY
@given(st.binary(max_size=100) | TEXT.map(lambda text: text.encode(errors="surrogatepass")) | VALUES.map(json.dumps))
def test_json_bodies_are_objects_or_refused(text: bytes | str) -> None:
    """Deep, long, cut or in another encoding."""
    with suppress(InvalidRequest):
        assert isinstance(parse_object(text), dict)


# --- cursors, ids, small headers ----------------------------------------------------------------------------------


@MANY
@given(VALUES | st.from_regex(r"\d{0,12}(\.\d{0,5})?|image-[0-9a-f-]{0,40}/\d+(\.\d+)?"))
def test_cursors_are_read_or_refused(value: Any) -> None:
    """And are given back as they came."""
    for read in (read_cursor, read_place):
        with suppress(InvalidRequest):
            read(value)
    with suppress(NotFound):
        character_id_of(value)


@MANY
@given(TEXT | LATIN)
def test_small_texts_are_read_or_refused(text: str) -> None:
    """Numbers, page tokens, request ids, times, ranges, traces, formats, addresses of webhooks."""
    with suppress(InvalidRequest):
        found = whole_number("after", text, 2**32 - 1)
        assert found is None or 0 <= found < 2**32
    with suppress(InvalidRequest):
        story_contract._start(text[:200])  # longer ones break a rule of the contract
    scope = "scope"
    for page_token in (text[:200], f"{scope}.{text[:150]}"):
        with suppress(InvalidRequest):
            character_library._behind([], page_token, scope)
    assert request_id_of(text) == "" or len(request_id_of(text)) <= 128
    with suppress(Refusal):
        assert seconds_of(text) >= 0
    assert _trace_id((("traceparent", text), ("traceparent", f"00-{text}-1-1"))).isascii()
    formats_of(text, text)
    for headers in (
        {"range": text},
        {"range": f"bytes={text}"},
        {"if-none-match": text},
        {"range": "bytes=0-", "if-range": text},
    ):
        part = part_of("GET", headers, 100, '"e"')
        assert 0 <= part.start <= part.stop <= 100
    for url in (
        text,
        f"https://{text}",
        f"https://a.example:{text}/",
        f"https://a.example/{quote(text, errors='replace')}",
    ):
        with suppress(FabulaError):
            target_of(url, Rules())
