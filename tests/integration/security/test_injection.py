"""Text of a client's breaks out of nothing: no path, no header of an answer, no line of a log."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from fabula import logs
from fabula.settings import GatewaySettings, load
from tests.integration.security.asking import Address, addresses, ask, native
from tests.integration.security.estate import NOWHERE, Estate, Owner
from tests.unit.security.contracts import rpcs
from tests.unit.security.odd import MARK, ODD

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

WIRE = [
    b"a\r\nX-Broken-Out: 1",
    b"a\nX-Broken-Out: 1",
    b"a\0b",
    b"\xff\xfe",
    b"a\x0bb",
    b"a\x1b[2J",
    b"x" * 9000,
    b"\xd9\xa3",
]
"""The same for headers, byte by byte."""


def written(text: str) -> str:
    """Return a text as it stands in a path."""
    return quote(text, safe="")


def check_headers(address: Address, text: str, status: int, headers: Iterator[tuple[str, str]]) -> None:
    """Check that an answer is one that the document knows, and its headers are ours."""
    assert status < 500, (address, text, status)
    for name, value in headers:
        assert MARK.lower() not in name.lower(), (address, text)
        assert not {"\r", "\n", "\0"} & set(value), (address, text, name)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of this process while a test runs, as JSON."""
    stream = io.StringIO()
    before = structlog.get_config()
    logs.configure(load(GatewaySettings, log_format="json", log_level="debug"), "test", stream)
    yield stream
    structlog.configure(**before)


async def test_odd_text_in_addresses_breaks_nothing(estate: Estate, ada: Owner, log: io.StringIO) -> None:
    """In each part of each path and each parameter, by its owner's good token: a refusal that the document has."""
    for number, address in enumerate(await addresses(estate)):
        nothing = dict.fromkeys(address.places, f"story-{NOWHERE}")
        some = [ODD[(number + step) % len(ODD)] for step in range(6)]
        tries = [{**nothing, place: text} for place in address.places for text in some]
        for things in tries:
            in_path = {place: id_ if place in ("?id", "body") else written(id_) for place, id_ in things.items()}
            if "body" in in_path:
                continue
            answer = await ask(estate, address, in_path, headers=ada.headers)
            check_headers(address, str(things), answer.status_code, iter(answer.headers.items()))
            assert 400 <= answer.status_code, (address, things)
        if address.method != "GET":
            continue
        for name in [*address.query, "unheard-of"]:
            for step in range(2):
                text = ODD[(number + 5 * step) % len(ODD)]
                things = dict.fromkeys(address.places, f"story-{NOWHERE}")
                answer = await ask(estate, address, things, headers=ada.headers, query={name: text})
                check_headers(address, text, answer.status_code, iter(answer.headers.items()))
    check_lines(log)


def check_lines(log: io.StringIO) -> None:
    """Check that each line of a log is one entry, and none was made up."""
    for line in log.getvalue().splitlines():
        entry = json.loads(line)
        assert "test" == entry["process"]
        assert MARK not in line.partition('"event"')[0]


async def raw(estate: Estate, head: bytes) -> bytes:
    """Send a head as it is; return what is answered."""
    host, _, port = estate.gateway.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_odd_bytes_in_headers_break_nothing(estate: Estate, ada: Owner, log: io.StringIO) -> None:
    """In every header that is read, those among them that are told again: answered, and never with a line of theirs."""
    names = {
        each["name"] for address in await addresses(estate) for each in address.parameters if each["in"] == "header"
    }
    names |= {"authorization", "cookie", "host", "origin", "traceparent", "x-request-id", "x-forwarded-for", "range",
              "content-type", "accept", "user-agent", "idempotency-key", "sec-fetch-site", "grpc-timeout"}  # fmt: skip
    story, image = await ada.thing("story"), await ada.thing("image")
    heads = [f"GET /v1/images/{image}", f"GET /v1/generations/{story}/log", "GET /v1/nowhere", "POST /run"]
    for number, name in enumerate(sorted(names)):
        for step, value in enumerate(WIRE):
            head = heads[(number + step) % len(heads)].encode()
            lines = [head + b" HTTP/1.1", b"Connection: close", b"Content-Length: 0"]
            own = {"host": b"127.0.0.1", "authorization": ada.headers["authorization"].encode()}
            lines += [key.encode() + b": " + text for key, text in own.items() if key != name.lower()]
            answer = await raw(estate, b"\r\n".join([*lines, name.encode() + b": " + value, b"", b""]))
            top = answer.partition(b"\r\n\r\n")[0]
            assert b"X-Broken-Out" not in top, (name, value, top)
            assert b"HTTP/1.1 5" not in top, (name, value, top)
            assert all(b"\n" not in line and b"\0" not in line for line in top.split(b"\r\n")), (name, value, top)
    check_lines(log)


async def test_names_that_are_told_again_in_headers_are_ours(estate: Estate, ada: Owner) -> None:
    """Location, X-Generation-Id and Content-Disposition hold ids that we have made, whatever clients call things."""
    for text in ('a"\r\nX-Broken-Out: 1', "ключ", "../../x", "a\0b", "x" * 1000):
        sent: dict[str, Any] = {
            **ada.headers,
            "idempotency-key": text.encode().replace(b"\r\n", b"%0d").replace(b"\0", b"%00"),
        }
        answers = [
            await estate.gateway.http.post("/api/v1/stories/generate", json={"prompt": "An owl."}, headers=sent),
            await estate.gateway.http.post(
                "/v1/stories", json={"premise": "An owl.", "requestId": text}, headers=ada.headers
            ),
            await estate.gateway.http.post(
                "/api/v1/stories", json={"text": "An owl.", "title": text}, headers=ada.headers
            ),
            await estate.gateway.http.post(
                "/api/media/generate", json={"prompt": "an owl", "task_id": text}, headers=ada.headers
            ),
        ]
        for answer in answers:
            assert answer.status_code < 500 or answer.status_code == 504, answer.text
            for name, value in answer.headers.items():
                assert value.isascii(), (name, value)
                assert "broken-out" not in f"{name}{value}".lower()
    picture = await estate.gateway.http.get(f"/v1/images/{await ada.thing('image')}", headers=ada.headers)
    assert picture.headers["content-disposition"].startswith("inline; filename=")


async def test_odd_text_in_rpcs_breaks_no_status_and_no_line(estate: Estate, ada: Owner, log: io.StringIO) -> None:
    """In each field of text of each request; and in the path of gRPC-Web."""
    for number, rpc in enumerate(rpcs()):
        names = [field.name for field in rpc.method.input_type.fields if field.type == field.TYPE_STRING]
        for step, name in enumerate(names):
            text = ODD[(number + step) % len(ODD)]
            try:
                message = rpc.request(**{name: text})
            except TypeError:  # a list of texts
                message = rpc.request(**{name: [text]})
            answer = await native(estate, rpc, message, ada.token, seconds=10)
            assert answer.status in {"INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED", "OK"}, (rpc, name, answer)
    for text in ODD:
        path = f"/fabula.api.story.v1.StoryService/{written(text)}"
        response = await estate.gateway.http.post(path, headers=ada.headers)
        assert response.status_code < 500
        assert MARK.lower() not in response.headers
    check_lines(log)
