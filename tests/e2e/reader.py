"""A watcher that keeps nothing but a digest of what it has seen: for logs too long to be kept by many."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import aclosing
from dataclasses import dataclass, field

from fabula.api.story.v1.story_pb2 import WatchProgressResponse
from tests.e2e.doors import Door, Lost


@dataclass
class Reader:
    """One watcher.

    Attributes:
        generation_id: What it watches.
        door: Where.
        cursor: The last event that it has.
        losses: How often it lost its connection.
        slowest_seconds: The longest that an event took from its writer to here.
    """

    generation_id: str
    door: Door
    cursor: int = 0
    losses: int = 0
    slowest_seconds: float = 0.0
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def digest(self) -> str:
        """Of all responses, in the order seen."""
        return self._digest.hexdigest()

    async def read(self) -> None:
        """Watch to the end; whenever the connection is lost, come back by the cursor."""
        while True:
            try:
                async with aclosing(self.door.connect(self.generation_id, self.cursor)) as connection:
                    async for response in connection:
                        if response is not None and response.event.sequence:
                            self._take(response)
                    return
            except Lost:
                self.losses += 1
                await asyncio.sleep(0.1)

    async def until(self, sequence: int) -> None:
        """Wait until it has an event."""
        while self.cursor < sequence:
            self._news.clear()
            await self._news.wait()

    def _take(self, response: WatchProgressResponse) -> None:
        event = response.event
        assert self.cursor + 1 == event.sequence, f"{self.door.name}: {event.sequence} follows {self.cursor}"
        self.cursor = event.sequence
        self._digest.update(response.SerializeToString(deterministic=True))
        made = event.time.seconds + event.time.nanos / 1e9
        self.slowest_seconds = max(self.slowest_seconds, time.time() - made)
        self._news.set()
