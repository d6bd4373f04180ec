"""The engine's `JobQueue` on JetStream: a durable pull consumer for each kind, on the stream of the logs.

The record that queues a generation is its place in the queue; there is no second stream to keep in step.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import unquote

import nats.errors
import structlog
from nats.aio.msg import Msg

from fabula.engine.ports import Address, Job
from fabula.errors import Unavailable
from fabula.journal import subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.paging import Pager
from fabula.journal.stored import OWNER
from fabula.journal.waiting import WaitingLine

logger = structlog.get_logger(__name__)

_NANOSECONDS = 1_000_000_000
_NOBODY_WAITS = frozenset({"404", "408"})
_PAUSE_SECONDS = 0.1
_CONFIRM_SECONDS = 1.0


class JetStreamJobQueue:
    """Implements `fabula.engine.ports.JobQueue`."""

    def __init__(self, link: Link, pager: Pager) -> None:
        self._link = link
        self._pager = pager
        self._lines: dict[str, WaitingLine] = {}
        self._open_lines = AsyncExitStack()
        self._declared: set[str] = set()

    async def close(self) -> None:
        """Listen for nothing any more."""
        await self._open_lines.aclose()

    async def claim(self, kind: str, timeout_seconds: float) -> Job | None:
        """Wait for a job of this kind; see the port."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            await self._declare(kind)
            remaining = max(deadline - loop.time(), 0.01)
            reply = await self._pull(kind, remaining)
            status = (reply.headers or {}).get("Status")
            if status is None:
                return _job(self._link, kind, reply)
            if status in _NOBODY_WAITS or loop.time() >= deadline:
                return None
            self._declared.discard(kind)  # the consumer is gone, or its leader is
            await asyncio.sleep(_PAUSE_SECONDS)

    async def position(self, kind: str, revision: int) -> int | None:
        """Return how many jobs will be handed out before this one; see the port."""
        return await (await self._line(kind)).position(revision)

    async def depth(self, kind: str) -> int:
        """Return how many jobs wait; see the port."""
        return await (await self._line(kind)).depth()

    async def _line(self, kind: str) -> WaitingLine:
        await self._declare(kind)
        if kind not in self._lines:
            line = WaitingLine(self._link, self._pager, kind, consumer_name(kind))
            self._lines[kind] = line
            await self._open_lines.enter_async_context(line.running())
        return self._lines[kind]

    async def _pull(self, kind: str, seconds: float) -> Msg:
        """Ask for one job and return it, or the status that stands for none."""
        deadline = asyncio.get_running_loop().time() + seconds
        endpoint = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.EVENTS_STREAM}.{consumer_name(kind)}"

        async def ask() -> Msg:
            left = max(deadline - asyncio.get_running_loop().time(), 0.01)
            question = {"batch": 1, "expires": int(left * _NANOSECONDS)}
            arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

            def heard(message: Msg) -> None:
                if not arrived.done():
                    arrived.set_result(message)

            # An inbox of its own: when nobody listens any more, the server hands the job to somebody else at once.
            inbox = self._link.new_inbox()
            async with self._link.listening(inbox, heard=heard):
                await self._link.publish(endpoint, json.dumps(question).encode(), inbox)
                return await arrived

        return await self._link.until_answered(ask, seconds + self._link.settings.answer_seconds)

    async def _declare(self, kind: str) -> None:
        """Make sure that the consumer exists. Idempotent, in many processes at once."""
        if kind in self._declared:
            return
        topic = subjects.queued(kind)
        name = consumer_name(kind)
        config = {
            "durable_name": name,
            "name": name,
            "description": f"Fabula: the queue of {kind} workers",
            "filter_subject": topic,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(self._link.settings.lease_seconds * _NANOSECONDS),
            "max_deliver": -1,
            "max_ack_pending": -1,
        }
        question = {"stream_name": subjects.EVENTS_STREAM, "config": config}
        try:
            await self._link.ask(f"CONSUMER.CREATE.{subjects.EVENTS_STREAM}.{name}.{topic}", question)
        except ApiFault as fault:
            raise unavailable(fault) from fault
        self._declared.add(kind)


@dataclass(frozen=True, slots=True)
class JetStreamJob:
    """Implements `fabula.engine.ports.Job`: a message that was delivered and not acknowledged yet."""

    address: Address
    revision: int
    link: Link
    reply: str

    async def renew(self) -> None:
        """Keep the claim; see the port."""
        await self.link.publish(self.reply, b"+WPI")

    async def done(self) -> None:
        """Take the job off the queue; see the port.

        JetStream takes the acknowledgement of a delivery that has long expired, too, even while another worker has
        the job: that is why only the holder of the log may call this. If the server was killed right after it had
        handed out the job, it knows nothing of that: then the job comes again, to be found finished.
        """
        await self._confirm(b"+ACK")

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Let another worker have it; see the port."""
        delay = json.dumps({"delay": int(delay_seconds * _NANOSECONDS)})
        await self._confirm(f"-NAK {delay}".encode() if delay_seconds > 0 else b"-NAK")

    async def _confirm(self, word: bytes) -> None:
        """Say the word and wait until the server has taken it, or does not know what it is about."""

        async def ask() -> bool:
            try:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await self.link.request_once(self.reply, word)
            except TimeoutError:
                return False
            return True

        if not await self.link.until_answered(ask):
            logger.info("job_unknown_to_queue", generation_id=self.address.id, revision=self.revision)


def consumer_name(kind: str) -> str:
    """Return the name of the durable consumer that is the queue of this kind."""
    return f"fabula-queue-{subjects.token(kind, 'kind')}"


def _job(link: Link, kind: str, delivery: Msg) -> JetStreamJob:
    headers: Mapping[str, str] = delivery.headers or {}
    try:
        revision = delivery.metadata.sequence.stream
    except nats.errors.NotJSMessageError as error:
        raise Unavailable("The queue delivered something that is no job.") from error
    address = Address(kind, unquote(headers.get(OWNER, "")), subjects.generation_of(delivery.subject))
    return JetStreamJob(address, revision, link, delivery.reply)
