"""Sends one request to an endpoint that a stranger has named, and goes nowhere else.

The host's name is resolved for each request, every address that it stands for is checked, and the connection is made to
one of these very addresses: there is no second look-up that could answer otherwise (DNS rebinding). TLS is checked
against the name. Redirects, proxies of the environment and cookies are unknown here, and an answer's body is not kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

import httpcore

from fabula.errors import InvalidRequest
from fabula.webhooks.addresses import Ip, Rules
from fabula.webhooks.schedule import problem_of, retry_after_seconds
from fabula.webhooks.targets import Target, target_of

TIMEOUT_SECONDS = 15.0
"""How long an endpoint may take, name, connection and answer together."""

MOST_BODY_BYTES = 4 * 1024
"""So much of an answer's body is read, and thrown away, so that a polite endpoint can end its answer."""

BODY_SECONDS = 1.0
"""For so long, at most."""

MOST_ANSWER_BYTES = 64 * 1024
"""So much is read of an answer in all: an endpoint may say "100 Continue" for as long as it is listened to."""

MOST_ADDRESSES = 4
"""So many addresses of a host are tried."""

NOT_ALLOWED = "the host has no address that may be told: it cannot be found, or is not public"
"""The same for a name that does not exist and one that is inside: nobody learns here which names there are."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses that a host's name stands for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    Attributes:
        status: HTTP status of the answer; 0: there was none.
        problem: What went wrong, in a sentence; empty: nothing.
        retry_after: How many seconds the endpoint asks to wait; None: it does not say.
    """

    status: int
    problem: str
    retry_after: float | None = None


class Refused(Exception):
    """No connection may be made: none of the host's addresses may be told, or one of them may not."""


class Sender:
    """Sends requests.

    Args:
        rules: Whom they may reach.
        resolve: Looks names up; None: as the machine does.
        timeout_seconds: How long an endpoint may take.
        tls: How endpoints' certificates are checked; None: by the authorities that the machine trusts.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        resolve: Resolve | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._resolve = resolve or _resolve
        self._timeout_seconds = timeout_seconds
        self._tls = tls or ssl.create_default_context()
        self._agent = f"Fabula/{version('fabula')}"

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send a request, and return what became of it; never raises for what the endpoint does."""
        try:
            target = target_of(url, self._rules)  # rules may have changed since it was registered
            async with asyncio.timeout(self._timeout_seconds):
                return await self._post(target, headers, body)
        except InvalidRequest as error:
            return Outcome(0, error.message)
        except Refused:
            return Outcome(0, NOT_ALLOWED)
        except TimeoutError:
            return Outcome(0, f"the endpoint did not answer within {self._timeout_seconds:g} seconds")
        except (httpcore.TimeoutException, httpcore.NetworkError, ssl.SSLError, OSError) as error:
            return Outcome(0, _told(error))
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
            return Outcome(0, "the endpoint's answer is not HTTP")

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Outcome:
        backend = _Checked(target, self._rules, self._resolve)
        # One connection for one request: the next one asks again where the name leads.
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._tls, max_connections=1, max_keepalive_connections=0, network_backend=backend
        )
        async with pool, self._request(pool, target, headers, body) as response:
            said = {name.lower(): value for name, value in response.headers}.get(b"retry-after", b"").decode("latin-1")
            with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):  # the status has been told
                await _read_some(response)
            return Outcome(response.status, problem_of(response.status), retry_after_seconds(said, time.time()))

    def _request(
        self, pool: httpcore.AsyncConnectionPool, target: Target, signed: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[httpcore.Response]:
        usual = 443 if target.secure else 80
        host = f"[{target.host}]" if ":" in target.host else target.host
        headers = {
            "host": host if target.port == usual else f"{host}:{target.port}",
            "user-agent": self._agent,
            "accept": "*/*",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **signed,
        }
        url = httpcore.URL(
            scheme=b"https" if target.secure else b"http",
            host=target.host.encode(),  # for TLS; where it is, is the backend's to say
            port=target.port,
            target=target.path.encode(),
        )
        return pool.stream("POST", url, headers=[*headers.items()], content=body)


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, target: Target, rules: Rules, resolve: Resolve) -> None:
        self._target = target
        self._rules = rules
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the target's
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's name
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the target's host, at an address that was just checked."""
        problem: Exception = Refused()
        for address in await self._addresses(port):
            try:
                made = await self._network.connect_tcp(str(address), port, timeout, None, socket_options)
                return _Bounded(made)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    async def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL names one."""
        raise Refused

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)

    async def _addresses(self, port: int) -> Sequence[Ip]:
        """Return where the host is. Raises `Refused` if any of its addresses may not be told, or there is none."""
        target = self._target
        try:
            found = [ip_address(text) for text in await self._resolve(target.host, port)]
        except (OSError, UnicodeError, ValueError):
            raise Refused from None
        if not all(self._rules.allows(target.host, address, secure=target.secure) for address in found):
            raise Refused
        return list(dict.fromkeys(found))[:MOST_ADDRESSES]


class _Bounded(httpcore.AsyncNetworkStream):
    """Reads so much of an answer, and no more."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MOST_ANSWER_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the library's name
        """Read. Raises `RemoteProtocolError` behind the bound."""
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer does not end")
        data = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS from here on; what comes of it is bounded, too."""
        return _Bounded(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Tell of the connection."""
        return self._stream.get_extra_info(info)


async def _resolve(host: str, port: int) -> Sequence[str]:
    """Look a name up as the machine does.

    In a thread of its own, which nobody waits for at the end: a name server that hangs keeps no other look-up waiting,
    nor the process from ending.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(addresses: Sequence[str], error: OSError | None) -> None:
        if found.done():  # it is not waited for any more
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def look() -> None:
        addresses, failure = [], None
        try:
            addresses = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            failure = OSError(str(error))
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, addresses, failure)

    threading.Thread(target=look, name="webhook-name", daemon=True).start()
    return await found


async def _read_some(response: httpcore.Response) -> None:
    size = 0
    async with asyncio.timeout(BODY_SECONDS):
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > MOST_BODY_BYTES:
                return


def _told(error: Exception) -> str:
    """Return what went wrong with a connection, in words of our own."""
    reason = error.__cause__ or error.__context__ or error
    if isinstance(error, ssl.SSLError) or isinstance(reason, ssl.SSLError):
        if isinstance(reason, ssl.SSLCertVerificationError):
            return f"the endpoint's certificate does not hold: {reason.verify_message}"
        return "the endpoint does not speak TLS as it should"
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return "no connection to the endpoint"
    return "the endpoint ended the connection without an answer"
