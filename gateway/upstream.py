"""A generation's log as a service streams it: the source of a tail, over as many connections as that takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from fabula.api.generation.v1 import generation_pb2
from fabula.engine.ports import Entry, Tag
from fabula.errors import FabulaError, LogCorrupted, NotFound, Unauthenticated
from fabula.rpc.client import Caller, Client, Patience
from fabula.rpc.kinds import kind_of
from gateway.entries import SharedEntry, read_entry
from gateway.metrics import Metrics

log = structlog.get_logger(__name__)

OPENING_SECONDS = 5.0
"""How long somebody who comes while a service restarts is kept waiting before the door says so."""


class CursorLost(Exception):
    """The service cannot serve a cursor that it has given out.

    Attributes:
        entry: The snapshot to start over from.
    """

    def __init__(self, entry: SharedEntry) -> None:
        super().__init__(f"the log of {entry.generation_id} cannot be followed from where it was left")
        self.entry = entry


def service_of(clients: Mapping[str, Client], generation_id: str) -> Client:
    """Return the service that a generation belongs to. Raises `NotFound` for what is no id of ours."""
    kind = kind_of(generation_id)
    client = clients.get(kind.name) if kind is not None else None
    if client is None:
        raise NotFound("there is no such generation", id=generation_id)
    return client


@dataclass(slots=True)
class Upstream:
    """One generation at its service, seen by one owner.

    Attributes:
        client: The service.
        generation_id: Which generation.
        caller: On whose behalf: that of all watchers of the owner whose token holds longest.
        metrics: Where reconnects are counted.
        expires: Unix time from which that token holds no longer; None: it always holds.
    """

    client: Client
    generation_id: str
    caller: Caller
    metrics: Metrics
    expires: float | None = None

    def renew(self, caller: Caller, expires: float | None) -> None:
        """Call on behalf of somebody else of the same owner from now on, if their token holds longer."""
        if expires is None or (self.expires is not None and expires >= self.expires):
            self.caller, self.expires = caller, expires

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows and what comes, each once, until the run ends.

        A lost connection is taken up again behind the last entry; watchers notice nothing.

        Raises:
            CursorLost: the service answered with a reset.
            FabulaError: the service refused for good.
        """
        cursor, patience = after_sequence, Patience()
        while True:
            fresh = terminal = False
            caller = self.caller
            try:
                async with aclosing(self._connection(cursor)) as entries:
                    async for entry in entries:
                        patience.reset()
                        if entry.is_reset:
                            raise CursorLost(entry)
                        cursor = self._next(cursor, entry)
                        fresh, terminal = True, entry.tag is Tag.TERMINAL
                        yield (entry,)
            except Unauthenticated:
                if caller is self.caller:  # else it was an older token that has expired
                    raise
            except FabulaError as error:
                if not error.retryable:
                    raise
                log.info("upstream_lost", generation_id=self.generation_id, cursor=cursor, code=error.code)
            else:
                if terminal or not fresh:
                    return
            self.metrics.reconnects.inc()
            await patience.wait()

    def _next(self, cursor: int, entry: SharedEntry) -> int:
        if entry.sequence not in (0, cursor + 1):
            raise LogCorrupted(
                f"event {entry.sequence} came after event {cursor}: the service left a gap or repeated itself",
                id=self.generation_id,
            )
        return entry.sequence or cursor

    async def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows, for a watcher who is further back than the tail remembers; it closes this in time."""
        async with aclosing(self.follow(after_sequence)) as batches:
            async for batch in batches:
                if batch[0].sequence:
                    yield batch

    async def first(self, **request: Any) -> SharedEntry | None:
        """Return the first entry of a watch with these fields of `WatchProgressRequest`; None if it ends without one.

        Raises:
            FabulaError: the service refused, or did not answer in good time.
        """
        loop, patience = asyncio.get_running_loop(), Patience(OPENING_SECONDS)
        while True:
            begun = loop.time()
            try:
                async with aclosing(self._connection(**request)) as entries:
                    async for entry in entries:
                        return entry
            except FabulaError as error:
                if not error.retryable:
                    raise
                if loop.time() - begun > OPENING_SECONDS:  # it had stood, and waited for the generation to start
                    patience.reset()
                await patience.wait()
            else:
                return None

    async def generation(self) -> Any:
        """Return the `Generation` as it stands, in short. Raises as `first`."""
        kind, patience = self.client.kind, Patience(OPENING_SECONDS)
        view = generation_pb2.GENERATION_VIEW_BASIC
        request = kind.request("GetGeneration")(generation_id=self.generation_id, view=view)
        while True:
            try:
                response = await self.client.call("GetGeneration", request, self.caller, timeout=OPENING_SECONDS)
            except FabulaError as error:
                if not error.retryable:
                    raise
                await patience.wait()
            else:
                return response.generation

    async def _connection(self, after_sequence: int = 0, **request: Any) -> AsyncGenerator[SharedEntry, None]:
        kind = self.client.kind
        message = kind.request("WatchProgress")(
            generation_id=self.generation_id, after_sequence=after_sequence, **request
        )
        async with aclosing(self.client.stream("WatchProgress", message, self.caller)) as responses:
            async for data in responses:
                yield read_entry(kind, self.generation_id, data)
