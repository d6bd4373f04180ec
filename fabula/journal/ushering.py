"""Writes a ticket for every record that queues.

For each kind a durable consumer on the stream of the logs hands each such record to one process after another until
one has written its ticket. So there is no moment at which a job could be lost, and nothing to be reconciled.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

import nats.errors
import structlog
from nats.aio.msg import Msg

from fabula.engine.ports import Address
from fabula.errors import Unavailable
from fabula.journal import subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.stored import OWNER
from fabula.journal.tickets import Ticket

_NANOSECONDS = 1_000_000_000
_NOTHING_CAME = frozenset({"404", "408"})
_PAUSE_SECONDS = 0.1
_PULL_SECONDS = 30.0
_AT_ONCE = 64
_LOOKS = 20
_LOOK_PAUSE_SECONDS = 0.01

_log = structlog.get_logger(__name__)

Write = Callable[[Ticket], Awaitable[None]]


def consumer_name(kind: str) -> str:
    """Return the name of the durable consumer that finds what is queued of this kind."""
    return f"fabula-queue-{subjects.token(kind, 'kind')}"


class Usher:
    """Takes what is queued of one kind to the tickets.

    Args:
        link: The connection.
        kind: Which kind.
        write: Stores a ticket, unless there is one. Raises `Unavailable`, `ApiFault`.
    """

    def __init__(self, link: Link, kind: str, write: Write) -> None:
        self._link = link
        self._kind = kind
        self._write = write
        self._declared = False
        self._looked_at = float("-inf")
        self._behind = 0
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._free.acquire()
                queued = None
                try:
                    queued = await self._next()
                except Exception as error:  # noqa: BLE001 - without an usher nothing would ever begin
                    foreseen = isinstance(error, Unavailable | ApiFault)
                    _log.warning(
                        "queue_waits", kind=self._kind, reason=str(error), exc_info=None if foreseen else error
                    )
                    await asyncio.sleep(_PAUSE_SECONDS)
                finally:
                    if queued is None:
                        self._free.release()
                if queued is not None:
                    tasks.create_task(self._take(queued))

    async def declare(self) -> None:
        """Make sure that the consumer exists. Idempotent, in many processes at once. Raises `Unavailable`."""
        if self._declared:
            return
        topic, name = subjects.queued(self._kind), consumer_name(self._kind)
        config = {
            "durable_name": name,
            "name": name,
            "description": f"Fabula: the queue of {self._kind} workers",
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
        self._declared = True

    async def behind(self) -> int:
        """Return how many queued records have no ticket yet, after a short wait for those on their way."""
        await self.declare()
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < self._link.settings.queue_info_seconds:
            return self._behind
        for _ in range(_LOOKS):
            self._behind, under_way = await self._look()
            if not self._behind and not under_way:
                break
            await asyncio.sleep(_LOOK_PAUSE_SECONDS)
        self._looked_at = asyncio.get_running_loop().time()
        return self._behind

    async def _look(self) -> tuple[int, int]:
        try:
            info = await self._link.ask(f"CONSUMER.INFO.{subjects.EVENTS_STREAM}.{consumer_name(self._kind)}", {})
        except ApiFault as fault:
            self._declared = False
            raise unavailable(fault) from fault
        return info["num_pending"], info["num_ack_pending"]

    async def _next(self) -> Msg | None:
        await self.declare()
        reply = await self._pull()
        status = (reply.headers or {}).get("Status")
        if status is None:
            return reply
        if status not in _NOTHING_CAME:
            self._declared = False  # the consumer is gone, or its leader is
            await asyncio.sleep(_PAUSE_SECONDS)
        return None

    async def _pull(self) -> Msg:
        """Ask for one record and return it, or the status that stands for none."""
        endpoint = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.EVENTS_STREAM}.{consumer_name(self._kind)}"
        question = json.dumps({"batch": 1, "expires": int(_PULL_SECONDS * _NANOSECONDS)}).encode()

        async def ask() -> Msg:
            arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

            def heard(message: Msg) -> None:
                if not arrived.done():
                    arrived.set_result(message)

            # An inbox of its own: when nobody listens any more, the server hands the record to somebody else at once.
            inbox = self._link.new_inbox()
            async with self._link.listening(inbox, heard=heard):
                await self._link.publish(endpoint, question, inbox)
                return await arrived

        return await self._link.until_answered(ask, _PULL_SECONDS + self._link.settings.answer_seconds)

    async def _take(self, queued: Msg) -> None:
        """Write the ticket; where that fails, the record is handed out again."""
        try:
            await self._write(_ticket_of(queued))
            await self._link.publish(queued.reply, b"+ACK")
        except (Unavailable, ApiFault) as error:
            _log.warning("ticket_waits", kind=self._kind, reason=str(error))
        except Exception:  # noqa: BLE001 - one record's fault must not keep the others from their tickets
            _log.exception("ticket_failed", kind=self._kind)
        finally:
            self._free.release()


def _ticket_of(queued: Msg) -> Ticket:
    headers: Mapping[str, str] = queued.headers or {}
    try:
        revision = queued.metadata.sequence.stream
    except nats.errors.NotJSMessageError as error:
        raise Unavailable("The queue delivered something that is no job.") from error
    kind = queued.subject.split(".")[2]
    return Ticket(Address(kind, unquote(headers.get(OWNER, "")), subjects.generation_of(queued.subject)), revision)
