"""HTTP/1.1 byte by byte (RFC 9112): nothing that two servers on the way could read in two ways is answered."""

from __future__ import annotations

import pytest

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conformance.wire import wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMUGGLED = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def post(headers: str, body: str = "", path: str = "/run/stream", version: str = "1.1") -> str:
    """Return a request with a body."""
    return f"POST {path} HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}\r\n{body}"


def get(headers: str = "", target: str = "/healthz", host: str = "Host: 127.0.0.1\r\n", version: str = "1.1") -> str:
    """Return a request without one."""
    return f"GET {target} HTTP/{version}\r\n{host}{headers}\r\n"


REFUSED = {
    "two lengths in one": post("Content-Length: 2, 3\r\n", "{}" + SMUGGLED),
    "two lengths": post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}" + SMUGGLED),
    "length and chunks": post(f"Content-Length: 5\r\n{CHUNKED}", "0\r\n\r\n" + SMUGGLED),
    "chunks and length": post(f"{CHUNKED}Content-Length: 5\r\n", "0\r\n\r\n" + SMUGGLED),
    "signed length": post("Content-Length: +2\r\n", "{}"),
    "negative length": post("Content-Length: -2\r\n", "{}"),
    "length in sixteens": post("Content-Length: 0x2\r\n", "{}"),
    "no length": post("Content-Length: \r\n", "{}"),
    "length of another script": post("Content-Length: \xb2\r\n", "{}"),
    "unknown coding": post("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"),
    "two codings": post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    "chunked twice": post(CHUNKED + CHUNKED, "0\r\n\r\n"),
    "identity": post("Transfer-Encoding: identity\r\n", SMUGGLED),
    "misspelt": post("Transfer-Encoding: xchunked\r\n", SMUGGLED),
    "tab before the coding": post("Transfer-Encoding:\x0bchunked\r\n", SMUGGLED),
    "chunks in HTTP/1.0": post(CHUNKED, "0\r\n\r\n", version="1.0"),
    "space before the colon": post("Content-Length : 2\r\n", "{}"),
    "space before the name": "GET /healthz HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n",
    "chunk of no size": post(CHUNKED, "zz\r\n{}\r\n0\r\n\r\n"),
    "chunk of negative size": post(CHUNKED, "-2\r\n{}\r\n0\r\n\r\n"),
    "chunk in sixteens": post(CHUNKED, "0x2\r\n{}\r\n0\r\n\r\n"),
    "chunk beyond all": post(CHUNKED, "f" * 32 + "\r\n{}"),
    "chunk longer than said": post(CHUNKED, "2\r\n{}xx0\r\n\r\n" + SMUGGLED),
    "chunk that ends otherwise": post(CHUNKED, "2\r\n{}\n\n0\r\n\r\n"),
    "no host": get(host=""),
    "two hosts": get(host="Host: 127.0.0.1\r\nHost: evil.example\r\n"),
    "an address with a name behind": get(host="Host: [::1].evil.example\r\n"),
    "a port of letters": get(host="Host: 127.0.0.1:evil\r\n"),
    "two origins": get("Origin: http://127.0.0.1\r\nOrigin: https://evil.example\r\n"),
    "two pages": get("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n"),
    "two tokens": get("Authorization: Bearer x\r\nAuthorization: Bearer y\r\n"),
    "host of two words": get(host="Host: 127.0.0.1 evil.example\r\n"),
    "host with a path": get(host="Host: 127.0.0.1/x\r\n"),
    "host with a user": get(host="Host: x@127.0.0.1\r\n"),
    "host of another script": get(host="Host: \xe9\r\n"),
    "a bare return": get("X: a\rY: b\r\n"),
    "a zero byte": get("X: a\0b\r\n"),
    "a nameless header": get(": a\r\n"),
    "a header without a colon": get("Nothing\r\n"),
    "no version": "GET /healthz\r\n\r\n",
    "another version": get(version="9.9"),
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no target": "GET  HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "target of two words": get(target="/healthz /metrics"),
    "target of another scheme": get(target="ftp://127.0.0.1/healthz"),
    "target without a host": get(target="http:///healthz"),
    "relative target": get(target="healthz"),
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0" * 50 + "\r\n\r\n",
    "nothing of this": "\r\n\r\n\r\n\r\nhello\r\n\r\n",
}
ANSWERED = {
    "as it should be": (get(), 200),
    "a whole address": (get(target="http://127.0.0.1/healthz"), 200),
    "a whole address, whose host counts": (get(target="http://evil.example/healthz"), 403),
    "a whole address, and another header": (get(target="http://127.0.0.1/healthz", host="Host: evil.example\r\n"), 200),
    "an address without a path": (get(target="http://127.0.0.1?x=1"), 200),
    "a foreign host": (get(host="Host: evil.example\r\n"), 403),
    "an empty host": (get(host="Host:\r\n"), 403),
    "a host with a port": (get(host="Host: 127.0.0.1:1\r\n"), 200),
    "IPv6": (get(host="Host: [::1]:1\r\n"), 200),
    "HTTP/1.0": (get(version="1.0"), 200),
    "an asterisk": (get(target="*").replace("GET", "OPTIONS"), 404),
    "a tunnel": ("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 400),
    "a method in small letters": (get().replace("GET", "get"), 405),
    "an unknown method": (get().replace("GET", "BREW"), 405),
    "a folded header": (get("X: a\r\n b\r\n"), 200),
    "bytes in a header": (get("X: \xe9\r\n"), 200),
    "a zero byte in the path": (get(target="/%00"), 404),
    "dots in the path": (get(target="/healthz/%2e%2e/%2e%2e/etc/passwd"), 404),
    "half a code in the path": (get(target="/%e"), 404),
    "no text in the path": (get(target="/%ff"), 404),
    "chunks with extensions and trailers": (post(CHUNKED, "2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n", path="/nowhere"), 404),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("piece", [0, 1])
async def test_what_may_be_read_in_two_ways_is_refused(shared: Gateway, case: str, piece: int) -> None:
    """400 (501 for codings that are not known), once, and the end of the connection: nothing behind it is read."""
    async with wire(shared.host) as opened:
        await opened.send(REFUSED[case].encode("latin-1"), piece)
        opened.end_sending()
        answers = await opened.all()
    assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), answers[:100]
    assert 1 == answers.count(b"HTTP/1.1 ")
    assert b"fabula_gateway" not in answers


@pytest.mark.parametrize("case", ANSWERED)
async def test_what_is_odd_but_clear_is_answered(shared: Gateway, case: str) -> None:
    """As it was meant."""
    request, status = ANSWERED[case]
    async with wire(shared.host) as opened:
        await opened.send(request.encode("latin-1"))
        assert status == (await opened.answer()).status


async def test_requests_may_come_before_the_answers(shared: Gateway) -> None:
    """They are answered in their order; a bad one behind them is refused, and spoils none."""
    async with wire(shared.host) as opened:
        asked = [get(target=path) for path in ("/healthz", "/nowhere", "/healthz")]
        await opened.send("".join([*asked, "GARBAGE\r\n\r\n"]).encode())
        assert [200, 404, 200, 400] == [(await opened.answer()).status for _ in range(4)]
        assert await opened.ended()


async def test_who_asks_first_is_told_to_go_on(shared: Gateway) -> None:
    """`Expect: 100-continue`."""
    async with wire(shared.host) as opened:
        await opened.send(post("Content-Length: 2\r\nExpect: 100-continue\r\n", path="/v1/stories").encode())
        first = await opened.answer()
        await opened.send(b"{}")
        second = first if first.status != 100 else await opened.answer()
    assert second.status in (400, 404, 422)


async def test_an_answer_to_head_has_no_body(shared: Gateway) -> None:
    """And the next answer follows at once."""
    async with wire(shared.host) as opened:
        await opened.send((get().replace("GET", "HEAD") + get("Connection: close\r\n")).encode())
        data = await opened.all()
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert rest.startswith(b"HTTP/1.1 200"), rest[:50]


@pytest.mark.parametrize("path", ["/nowhere", "/healthz", "/v1/stories", "/socket.io/?EIO=4&transport=polling"])
async def test_a_body_may_go_wrong_behind_its_answer(shared: Gateway, path: str) -> None:
    """The connection ends, and nothing fails."""
    async with wire(shared.host) as opened:
        await opened.send(post(CHUNKED, "2\r\n{}\r\n", path=path).encode())
        if path != "/v1/stories":
            assert (await opened.answer()).status in (400, 404, 405)
        await opened.send(b"zz\r\n\r\n" + SMUGGLED.encode())
        assert b"fabula_gateway" not in await opened.all()
