"""Writes a ticket for every record that queues.

For each kind a durable consumer on the stream of the logs hands each such record to one process after another until
one has written its ticket. So there is no moment at which a job could be lost, and nothing to be reconciled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import structlog

from fabula.engine.ports import Address
from fabula.errors import Unavailable
from fabula.journal import subjects
from fabula.journal.connection import ApiFault, Link
from fabula.journal.pulling import Handed, PullQueue
from fabula.journal.stored import OWNER
from fabula.journal.tickets import Ticket

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
        self._queued = PullQueue(
            link,
            subjects.EVENTS_STREAM,
            subjects.queued(kind),
            consumer_name(kind),
            f"Fabula: the queue of {kind} workers",
        )
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
                    queued = await self._queued.claim(_PULL_SECONDS)
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
        await self._queued.declare()

    async def behind(self) -> int:
        """Return how many queued records have no ticket yet, after a short wait for those on their way."""
        await self.declare()
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < self._link.settings.queue_info_seconds:
            return self._behind
        for _ in range(_LOOKS):
            self._behind, under_way = await self._queued.standing()
            if not self._behind and not under_way:
                break
            await asyncio.sleep(_LOOK_PAUSE_SECONDS)
        self._looked_at = asyncio.get_running_loop().time()
        return self._behind

    async def _take(self, queued: Handed) -> None:
        """Write the ticket; where that fails, the record is handed out again."""
        try:
            await self._write(_ticket_of(queued))
            await self._link.publish(queued.reply, b"+ACK")  # not confirmed: a second ticket is never written
        except (Unavailable, ApiFault) as error:
            _log.warning("ticket_waits", kind=self._kind, reason=str(error))
        except Exception:  # noqa: BLE001 - one record's fault must not keep the others from their tickets
            _log.exception("ticket_failed", kind=self._kind)
        finally:
            self._free.release()


def _ticket_of(queued: Handed) -> Ticket:
    kind = queued.subject.split(".")[2]
    owner = unquote(queued.headers.get(OWNER, ""))
    return Ticket(Address(kind, owner, subjects.generation_of(queued.subject)), queued.revision)
