"""The sender against names that lie, endpoints that hang, and certificates that do not hold."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from fabula.webhooks.addresses import Rules
from fabula.webhooks.sending import MOST_BODY_BYTES, NOT_ALLOWED, Outcome, Sender
from tests.certificates import Authority
from tests.integration.webhooks.receiver import Receiver, answer, receiving

LOOPBACK = Rules(networks=(ip_network("127.0.0.0/8"),))


class Names:
    """Looks names up as a test wants it: with another answer each time.

    Attributes:
        asked: Who was asked for.
    """

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        """Return the next answer; the last one again and again."""
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(found, OSError):
            raise found
        return found


async def post(sender: Sender, url: str) -> Outcome:
    """Send something."""
    return await sender.post(url, {"webhook-id": "msg_1"}, b"{}")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An endpoint on loopback."""
    async with receiving() as listening:
        yield listening


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["fe80::1%1"], ["0.0.0.0"],
        ["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2002:7f00:1::"], ["64:ff9b::7f00:1"], [], OSError("none"),
    ],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_not_followed(receiver: Receiver, found: Sequence[str] | OSError) -> None:
    """One bad address among good ones is enough; a name that does not exist is told alike."""
    url = f"https://hooks.example:{receiver.port}/"

    assert Outcome(0, NOT_ALLOWED) == await post(Sender(Rules(), resolve=Names(found)), url)
    assert [] == receiver.heard


async def test_the_name_is_asked_once_and_the_checked_address_is_the_one_that_is_used(receiver: Receiver) -> None:
    """A second answer, which leads elsewhere, is never asked for (DNS rebinding)."""
    rules = Rules(networks=(ip_network("127.0.0.1/32"),))
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    url = f"http://hooks.example:{receiver.port}/x?y=1"
    outcome = await post(Sender(rules, resolve=names), url)

    assert [Outcome(204, ""), ["hooks.example"]] == [outcome, names.asked]
    [heard] = receiver.heard
    assert ["/x?y=1", f"hooks.example:{receiver.port}"] == [heard.path, heard.headers["host"]]
    assert NOT_ALLOWED == (await post(Sender(rules, resolve=names), url)).problem  # it leads elsewhere now


async def test_the_environments_proxies_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would look the name up for itself."""
    async with receiving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        outcome = await post(Sender(LOOPBACK), receiver.url())

        assert [204, 1, 0] == [outcome.status, len(receiver.heard), len(proxy.heard)]


async def test_an_answer_is_read_no_further_than_it_must_be(receiver: Receiver) -> None:
    """However much there is; its status counts."""
    receiver.answers += [answer(200, body="x" * (MOST_BODY_BYTES * 1000)), answer(500, body="y" * 10_000_000)]
    sender = Sender(LOOPBACK)

    assert [Outcome(200, ""), 500] == [await post(sender, receiver.url()), (await post(sender, receiver.url())).status]


@asynccontextmanager
async def saying(*pieces: bytes, pause: float = 0.05, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run an endpoint that says this, piece by piece, then nothing, without an end; give its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for piece in pieces:
                await asyncio.sleep(pause)
                writer.write(piece)
                await writer.drain()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ((), "the endpoint did not answer within 0.5 seconds"),
        ((b"HTTP/1.1 200 OK\r\n",) + (b"x: y\r\n",) * 100, "the endpoint did not answer within 0.5 seconds"),
        ((b"SSH-2.0-OpenSSH\r\n\r\n",), "the endpoint's answer is not HTTP"),
        ((b"\0" * 100 + b"\r\n\r\n",), "the endpoint's answer is not HTTP"),
        ((b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000,), "the endpoint's answer is not HTTP"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000,), "the endpoint's answer is not HTTP"),  # for ever, it may be
    ],
)
async def test_an_endpoint_that_does_not_speak_http_is_left(pieces: tuple[bytes, ...], problem: str) -> None:
    """In bounded time, with words of our own."""
    async with saying(*pieces) as port:
        began = time.monotonic()
        outcome = await post(Sender(LOOPBACK, timeout_seconds=0.5), f"http://127.0.0.1:{port}/")

    assert Outcome(0, problem) == outcome
    assert time.monotonic() - began < 5


async def test_a_body_that_never_ends_does_not_undo_its_status() -> None:
    """The endpoint has accepted it."""
    async with saying(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 100) as port:
        assert Outcome(200, "") == await post(Sender(LOOPBACK), f"http://127.0.0.1:{port}/")


async def test_nobody_there_is_told() -> None:
    """As a connection that there is not."""
    async with receiving() as listening:
        url = listening.url()

    assert Outcome(0, "no connection to the endpoint") == await post(Sender(LOOPBACK), url)


async def test_rules_are_asked_at_each_request(receiver: Receiver) -> None:
    """What was allowed when it was registered may not be any more."""
    outcome = await post(Sender(Rules()), receiver.url())

    assert 0 == outcome.status
    assert "not public" in outcome.problem
    assert [] == receiver.heard


async def test_certificates_are_checked_against_the_name(tmp_path: Path) -> None:
    """That of the URL, whatever the address is: the right one is taken, another's and a stranger's are not."""
    authority, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    trust = ssl.create_default_context(cafile=authority.file)
    told = {}
    for name, by, host in [
        ("right", authority, "hooks.example"),
        ("another's", authority, "other.example"),
        ("stranger", stranger, "hooks.example"),
    ]:
        files = by.sign(name, (host,))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        async with saying(b"HTTP/1.1 204 X\r\n\r\n", tls=context) as port:
            sender = Sender(LOOPBACK, resolve=Names(["127.0.0.1"]), tls=trust)
            told[name] = await post(sender, f"https://hooks.example:{port}/")
    async with saying(b"HTTP/1.1 400 X\r\n\r\n") as port:
        told["plain"] = await post(Sender(LOOPBACK, tls=trust), f"https://127.0.0.1:{port}/")

    assert Outcome(204, "") == told["right"]
    assert told["another's"].problem.startswith("the endpoint's certificate does not hold: Hostname mismatch")
    assert told["stranger"].problem.startswith("the endpoint's certificate does not hold: ")
    assert Outcome(0, "the endpoint does not speak TLS as it should") == told["plain"]
