"""Calls services over gRPC: single calls, and watches that survive reconnects.

For programs, the command line and the gateway. Every failure is raised as the `FabulaError` that the service meant.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc

from fabula.errors import Unavailable
from fabula.rpc.errors import from_rpc_error
from fabula.rpc.kinds import Kind
from fabula.rpc.tls import Tls

CALL_SECONDS = 15.0
"""Deadline of a call, unless its caller gives another."""

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 1.0

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # Small fixed windows: a stream that nobody reads holds kilobytes in flight, not megabytes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 65536),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted service is found again at once, not after a minute of backing off.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def open_channel(address: str, tls: Tls | None = None) -> grpc.aio.Channel:
    """Return a channel to a service; close it when done. Connects at the first call.

    Args:
        address: Where the service is, `HOST:PORT`; with TLS its certificate has to name that host.
        tls: Whom to believe that they are the service; None: the call goes in the clear.
    """
    if tls is not None:
        return grpc.aio.secure_channel(address, tls.of_client(), options=list(CHANNEL_OPTIONS))
    return grpc.aio.insecure_channel(address, options=list(CHANNEL_OPTIONS))


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made.

    Attributes:
        token: Bearer token (JWT); empty where authentication is off.
        trace: W3C `traceparent` of what the call is part of; may be empty.
        deadline: When they give up, by the event loop's clock: no call made for them lasts longer. None: never.
    """

    token: str = field(default="", repr=False)
    trace: str = ""
    deadline: float | None = None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The call's metadata."""
        pairs = (("authorization", f"Bearer {self.token}" if self.token else ""), ("traceparent", self.trace))
        return tuple((key, value) for key, value in pairs if value)

    def seconds(self, most: float | None = None) -> float | None:
        """Return how long a call may last that would otherwise last `most`, in seconds; None: for ever."""
        if self.deadline is None:
            return most
        left = max(0.0, self.deadline - asyncio.get_running_loop().time())
        return left if most is None else min(left, most)


class Client:
    """Speaks to one kind of service.

    Args:
        kind: Which one.
        channel: To where.
    """

    def __init__(self, kind: Kind, channel: grpc.aio.Channel) -> None:
        self.kind = kind
        self._channel = channel

    def beside(self, kind: Kind) -> Client:
        """Return a client of another service of the same server."""
        return Client(kind, self._channel)

    async def call(self, rpc: str, request: Any, caller: Caller, timeout: float = CALL_SECONDS) -> Any:  # noqa: ASYNC109 - becomes the call's deadline
        """Make a single call and return its response.

        Args:
            rpc: Name of the method, e.g. "GetGeneration".
            request: Its request message.
            caller: On whose behalf.
            timeout: Deadline in seconds, unless the caller's own is sooner.

        Raises:
            FabulaError: what the service answered; `Unavailable` if it did not.
        """
        method = self._channel.unary_unary(
            self.kind.path(rpc),
            request_serializer=self.kind.request(rpc).SerializeToString,
            response_deserializer=self.kind.response(rpc).FromString,
        )
        try:
            return await method(request, metadata=caller.metadata, timeout=caller.seconds(timeout))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def stream(self, rpc: str, request: Any, caller: Caller) -> AsyncGenerator[bytes, None]:
        """Make a streaming call and yield its responses as bytes until it ends. Raises as `call`."""
        method: grpc.aio.UnaryStreamMultiCallable[Any, Any] = self._channel.unary_stream(
            self.kind.path(rpc),
            request_serializer=self.kind.request(rpc).SerializeToString,
            response_deserializer=None,
        )
        call = method(request, metadata=caller.metadata, timeout=caller.seconds())
        try:
            async for data in call:
                yield data
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()

    async def watch(self, request: Any, caller: Caller, *, patience: float | None = None) -> AsyncGenerator[Any, None]:
        """Yield a generation's events, decoded, to the end of its run, over as many connections as that takes.

        A lost connection is taken up again behind the last event that was yielded: nothing is lost or repeated.

        Args:
            request: A WatchProgressRequest.
            caller: On whose behalf.
            patience: Seconds without a connection after which it gives up; None never does.

        Raises:
            FabulaError: the service refused; `Unavailable` when patience is at an end.
        """
        response = self.kind.response("WatchProgress")
        request = _copy(request)
        pause = Patience(patience)
        while True:
            try:
                async with aclosing(self.stream("WatchProgress", request, caller)) as stream:
                    async for data in stream:
                        event: Any = response.FromString(data)
                        pause.reset()
                        if event.event.sequence:
                            request.after_sequence, request.snapshot = event.event.sequence, False
                        yield event
            except Unavailable:
                await pause.wait()
            else:
                return


class Patience:
    """Waits between tries, longer each time, with jitter.

    Args:
        seconds: How long in all, since the last success; None for ever.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._tries = 0
        self._since: float | None = None

    def reset(self) -> None:
        """It has worked again."""
        self._tries, self._since = 0, None

    async def wait(self) -> None:
        """Wait before the next try. Call it while an error is handled: out of patience, it raises that again."""
        now = asyncio.get_running_loop().time()
        self._since = self._since or now
        if self._seconds is not None and now - self._since >= self._seconds:
            raise  # noqa: PLE0704 - the error that is being handled
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**self._tries)
        self._tries = min(self._tries + 1, 16)
        await asyncio.sleep(random.uniform(longest / 2, longest))


def _copy(message: Any) -> Any:
    fresh = type(message)()
    fresh.CopyFrom(message)
    return fresh
