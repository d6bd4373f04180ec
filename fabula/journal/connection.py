"""The one connection of a process to NATS: it answers within a bound, or says `Unavailable`.

Everything the journal asks may be asked twice: reads change nothing, writes carry an id. So whenever the connection
comes back, what was asked before is simply asked again. Knows nothing of logs, jobs or records.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from fabula.errors import Unavailable
from fabula.journal.client import LeanClient
from fabula.journal.outages import Outages
from fabula.journal.settings import JournalSettings

logger = structlog.get_logger(__name__)

T = TypeVar("T")
Handler = Callable[[Msg], None]

_PAUSE_SECONDS = 0.05
_OLDEST_SERVER = (2, 12)
"""The first that can fence a write on another subject than its own."""
_NOT_READY = frozenset({10008, 10009})
"""JetStream's own codes for "temporarily unavailable" and "no suitable peers": true for moments after a start."""
_NO_ROOM = frozenset({10023, 10047, 10077})
"""Insufficient resources, insufficient storage, and a stream that refuses what would break its limits."""
_PROBE_SECONDS = 0.5


class ApiFault(Exception):
    """JetStream understood and refused.

    Attributes:
        code: HTTP-like class of the refusal.
        err_code: Which refusal, see `nats error list`.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("description", "refused")))
        self.code = int(error.get("code", 0))
        self.err_code = int(error.get("err_code", 0))


def unavailable(fault: ApiFault) -> Unavailable:
    """Return the error for a refusal that nobody can do anything about but the operator."""
    if fault.err_code in _NO_ROOM:
        return Unavailable(f"The journal's disk, or what it may use of it, is full: {fault} ({fault.err_code}).")
    return Unavailable(f"The journal (NATS JetStream) refused: {fault} ({fault.err_code}); see the server's log.")


class Link:
    """A connection to NATS that outlives its servers."""

    def __init__(self, settings: JournalSettings) -> None:
        self.settings = settings
        self._client = LeanClient()
        self._outages = Outages()
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes, headers included."""
        return self._client.max_payload

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended for good."""
        return self._client.is_closed

    async def open(self) -> None:
        """Connect.

        Raises:
            Unavailable: no server let us in within `connect_seconds`.
        """
        settings = self.settings
        self._outages.on_end(self._ask_again)
        try:
            async with asyncio.timeout(settings.connect_seconds):
                await self._client.connect(
                    [address.strip() for address in settings.url.split(",")],
                    name=settings.name,
                    error_cb=self._outages.note,
                    disconnected_cb=self._outages.begin,
                    reconnected_cb=self._outages.end,
                    closed_cb=self._outages.close,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=settings.reconnect_seconds,  # type: ignore[arg-type]  # a float does as well
                    connect_timeout=2,
                    ping_interval=5,
                    max_outstanding_pings=2,
                )
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await self.close()
            raise Unavailable(f"No NATS server lets us in: {self._outages.last_error or error}.") from error
        self._outages.connected.set()
        await self._check_version()

    async def close(self) -> None:
        """Leave. What is still asked raises `Unavailable`."""
        self._outages.closing = True
        with suppress(nats.errors.Error, OSError, AssertionError):  # nats-py asserts that it was ever connected
            await self._client.close()
        self._outages.connected.set()  # nobody waits for it any more
        self._ask_again()

    async def until_answered(self, ask: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
        """Return what `ask` returns, asking again whenever the connection was lost meanwhile.

        Raises:
            Unavailable: no answer within `seconds` (default: `answer_seconds`).
        """
        try:
            async with asyncio.timeout(self.settings.answer_seconds if seconds is None else seconds):
                while True:
                    await self._outages.connected.wait()
                    if self._client.is_closed:
                        raise Unavailable("The journal is closed.")
                    with suppress(nats.errors.NoRespondersError, _ConnectionCameBack):
                        return await self._once(ask)
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError as error:
            raise Unavailable("The journal (NATS JetStream) does not answer; try again.") from error
        except nats.errors.Error as error:
            raise Unavailable(f"The journal (NATS JetStream) cannot be asked: {error}.") from error

    async def request(self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None) -> Msg:
        """Send a message and return the answer to it. Raises `Unavailable`."""
        return await self.until_answered(lambda: self.request_once(subject, payload, headers))

    async def request_once(self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None) -> Msg:
        """Send a message and wait for its answer without end; for use within `until_answered`."""
        asking = self._client.request(subject, payload, _NO_END, headers=dict(headers) if headers else None)
        return await _cancellable(asking)

    async def ask(self, endpoint: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask an endpoint of the JetStream API.

        Raises:
            ApiFault: it refused.
            Unavailable: it did not answer in time.
        """
        return await self._understood(f"$JS.API.{endpoint}", json.dumps(question).encode(), None)

    async def store(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Publish to a stream and return the revision under which it is stored durably.

        Raises:
            ApiFault: the stream refused it; nothing was stored by the attempt that was refused.
            Unavailable: no answer in time; it may or may not be stored.
        """
        try:
            answer = await self._understood(subject, payload, headers)
        except Unavailable as error:
            if await self._still_answers():  # nats-server leaves what it cannot write without an answer
                raise Unavailable("The journal answers but stores nothing: its disk is full or too slow.") from error
            raise
        return int(answer["seq"])

    async def _still_answers(self) -> bool:
        try:
            await self.until_answered(lambda: self.request_once("$JS.API.INFO"), _PROBE_SECONDS)
        except Unavailable:
            return False
        return True

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        """Send a message that nobody answers; nothing is promised."""
        try:
            await self._client.publish(subject, payload, reply)
        except nats.errors.Error as error:
            raise Unavailable(f"The journal (NATS JetStream) cannot be told: {error}.") from error

    def new_inbox(self) -> str:
        """Return a subject that nobody else uses."""
        return self._client.new_inbox()

    @asynccontextmanager
    async def listening(
        self, *topics: str, heard: Handler, reconnected: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Hear everything on these subjects while the block lasts. `heard` must neither wait nor raise.

        On entering, a server that answers a later request knows of the subscription.
        """

        async def hear(message: Msg) -> None:
            heard(message)

        async with AsyncExitStack() as stack:
            if reconnected:
                stack.callback(self._outages.on_end(reconnected))
            for topic in topics:
                stack.push_async_callback(_unsubscribe, await self._subscribe(topic, hear))
            yield

    async def round_trip(self) -> None:
        """Return when the server has processed all that was sent before. Raises `Unavailable`."""
        await self.until_answered(lambda: _cancellable(self._client.flush(_NO_END)))

    async def _subscribe(self, topic: str, hear: Callable[[Msg], Awaitable[None]]) -> Subscription:
        try:
            return await self._client.subscribe(topic, cb=hear)
        except nats.errors.Error as error:
            raise Unavailable(f"The journal (NATS JetStream) cannot be listened to: {error}.") from error

    async def _check_version(self) -> None:
        version = self._client.connected_server_version
        if (version.major, version.minor) < _OLDEST_SERVER:
            await self.close()
            raise Unavailable(f"The NATS server is too old: {version}; Fabula needs 2.12 or newer.")

    async def _understood(self, subject: str, payload: bytes, headers: Mapping[str, str] | None) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            while True:
                answer: dict[str, Any] = json.loads((await self.request_once(subject, payload, headers)).data)
                if "error" not in answer:
                    return answer
                if answer["error"].get("err_code") not in _NOT_READY:
                    raise ApiFault(answer["error"])
                await asyncio.sleep(_PAUSE_SECONDS)

        return await self.until_answered(ask)

    async def _once(self, ask: Callable[[], Awaitable[T]]) -> T:
        cut = asyncio.timeout(None)
        try:
            async with cut:
                self._waiting.add(cut)
                return await ask()
        except TimeoutError:
            if cut.expired():
                raise _ConnectionCameBack from None
            raise
        finally:
            self._waiting.discard(cut)

    def _ask_again(self) -> None:
        """Cut short everything that waits: the answers went to the connection that is gone."""
        now = asyncio.get_running_loop().time()
        for cut in self._waiting:
            if not cut.expired():  # else it is being left already
                cut.reschedule(now)


async def _unsubscribe(subscription: Subscription) -> None:
    with suppress(nats.errors.Error, OSError):
        await subscription.unsubscribe()


async def _cancellable(answer: Awaitable[T]) -> T:
    """Await an answer of nats-py's. It waits by `asyncio.wait_for`, which may lose a cancel before Python 3.12.

    A cancel that comes in the same moment as the answer is swallowed there, and whoever was cancelled works on.
    """
    task = asyncio.current_task()
    cancels = task.cancelling() if task is not None else 0
    result = await answer
    if task is not None and task.cancelling() > cancels:
        raise asyncio.CancelledError
    return result


class _ConnectionCameBack(Exception):
    """What was asked before will not be answered any more."""


_NO_END = 24 * 60 * 60
"""Seconds; the bound is `until_answered`'s."""
