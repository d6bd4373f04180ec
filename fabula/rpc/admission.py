"""Bounds how much one owner may have waiting: who asks for more is told to try later, and nothing is stored.

The count is what this server knows. Several servers that are asked in the same few milliseconds may each let one in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fabula.engine.ports import Address, JobQueue
from fabula.errors import ResourceExhausted
from fabula.rpc.errors import LIMIT, RETRY_AFTER

OWNER_QUEUED = "owner_queued"
"""Name of the limit, in the details of its refusals."""

RETRY_AFTER_SECONDS = 10
"""When it makes sense to try again: generations take seconds to minutes."""

Note = Callable[[int], None]
"""Told the revision under which a generation was queued."""


class Admission:
    """The entrance to the queue of one kind.

    Args:
        queue: The queue.
        kind: Which kind.
        most: Generations that one owner may have waiting; 0: any number.
    """

    def __init__(self, queue: JobQueue, kind: str, most: int) -> None:
        self._queue = queue
        self._kind = kind
        self._most = most
        self._entering: Counter[str] = Counter()

    async def is_full(self, owner: str) -> bool:
        """Tell whether an owner may queue no more now. Raises `Unavailable`."""
        if not self._most:
            return False
        return await self._queue.waiting(self._kind, owner) + self._entering[owner] >= self._most

    @contextmanager
    def entering(self, owner: str) -> Iterator[None]:
        """Count one that is about to be queued for as long as the block lasts."""
        self._entering[owner] += 1
        try:
            yield
        finally:
            self._entering[owner] -= 1
            if not self._entering[owner]:
                del self._entering[owner]

    async def entered(self, address: Address, revision: int) -> None:
        """Note that a generation was queued by this record."""
        if self._most:
            await self._queue.expect(address, revision)

    async def left(self, address: Address, revision: int) -> None:
        """Note that a generation waits no more, as of this record. Raises `Unavailable`."""
        await self._queue.withdraw(address, revision)

    def refusal(self) -> ResourceExhausted:
        """Return the error for who has too many waiting."""
        return ResourceExhausted(
            f"you have {self._most} generations of this kind waiting, and may have no more: try again when some have "
            "begun, or cancel some",
            **{LIMIT: OWNER_QUEUED, "kind": self._kind, "most": str(self._most), RETRY_AFTER: str(RETRY_AFTER_SECONDS)},
        )
