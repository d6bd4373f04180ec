"""`Records` in memory: what a test of a reader of them needs. Held to the same contract as the journal's."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fabula.engine.ports import Stored
from fabula.errors import Superseded
from fabula.journal import subjects


@dataclass(slots=True)
class MemoryRecords:
    """Implements `fabula.engine.ports.Records`.

    Attributes:
        clock: Seconds that only go forward.
        before_put: Called with the key before each write: what somebody else does at that very moment.
    """

    clock: Callable[[], float] = time.monotonic
    before_put: Callable[[str], None] = lambda _key: None
    _values: dict[str, tuple[Stored, float]] = field(default_factory=dict)
    _revisions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def get(self, key: str) -> Stored | None:
        """Return the value."""
        await asyncio.sleep(0)
        return self._present(key)

    async def put(self, key: str, value: bytes, *, after: int | None = None, ttl_seconds: int | None = None) -> int:
        """Write the value."""
        subjects.record(key)  # the same keys are keys
        await asyncio.sleep(0)
        self.before_put(key)
        present = self._present(key)
        if after is not None and after != (present.revision if present else 0):
            raise Superseded(f"The record {key} is not at revision {after} any more.", key=key)
        return self.put_now(key, value, ttl_seconds)

    def put_now(self, key: str, value: bytes, ttl_seconds: int | None = None) -> int:
        """Write the value without a condition, and without letting anybody else come between."""
        revision = next(self._revisions)
        self._values.pop(key, None)
        self._values[key] = (
            Stored(value, revision),
            float("inf") if ttl_seconds is None else self.clock() + ttl_seconds,
        )
        return revision

    async def delete(self, key: str) -> None:
        """Remove the value."""
        await asyncio.sleep(0)
        self._values.pop(key, None)

    async def all(self, prefix: str) -> Mapping[str, Stored]:
        """Return the values behind a prefix."""
        subjects.record(prefix)
        await asyncio.sleep(0)
        found = {key: self._present(key) for key in self._values if key.startswith(f"{prefix}.")}
        return {key: stored for key, stored in found.items() if stored is not None}

    def _present(self, key: str) -> Stored | None:
        stored, until = self._values.get(key, (None, 0.0))
        return stored if self.clock() < until else None
