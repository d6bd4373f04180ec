"""Finds the picture of a task, whose id the client has chosen: perhaps before it was asked for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any

from fabula.errors import NotFound, Unavailable
from fabula.rpc.client import Client, Patience
from fabula.rpc.kinds import IMAGE, kind_of
from gateway.cursors import Cursor
from gateway.entries import SharedEntry, read_entry
from gateway.frontends.requests import request_id_of
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.upstream import OPENING_SECONDS
from gateway.watch import Watch


class Starts:
    """Opens the watches of tasks.

    Args:
        house: The inside of the gateway; there are pictures in it.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def _client(self) -> Client:
        return self._house.clients[IMAGE.name]

    async def open(self, visitor: Visitor, task_id: str, after: Cursor | None) -> tuple[SharedEntry | None, Watch]:
        """Open the watch of a task as soon as there is one; it has to be closed.

        Who is there before the picture is asked for is told everything from its beginning; who comes later where it
        stands, or what was missed since a cursor.

        Args:
            visitor: Who watches.
            task_id: As the client has chosen it. The id of a picture of their own does as well.
            after: How far the client has been told; None: it is new.

        Returns:
            What is told first, if anything, and the watch.

        Raises:
            NotFound: nobody has asked for it in the time that the settings allow.
            FabulaError: it cannot be watched.
        """
        try:
            first = await self._find(visitor, task_id)
        except NotFound:
            first = await self._wait(visitor, task_id)
            after = Cursor()
        generation_id = first.response.event.generation_id
        if after is not None:
            return None, await self._house.hub.open(visitor, generation_id, Wish(after.sequence))
        return first, await self._house.hub.open(visitor, generation_id, Wish(first.sequence))

    async def _find(self, visitor: Visitor, task_id: str) -> SharedEntry:
        """Return where a task stands that has begun. Raises `NotFound`."""
        if kind_of(task_id) is IMAGE:
            with suppress(NotFound):  # then it is a task's id that looks like this
                return await self._first(visitor, OPENING_SECONDS, generation_id=task_id[:64])
        return await self._first(visitor, OPENING_SECONDS, request_id=request_id_of(task_id))

    async def _wait(self, visitor: Visitor, task_id: str) -> SharedEntry:
        """Return where a task stands as soon as it has begun. Raises `NotFound`."""
        seconds = self._house.settings.start_wait_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._first(visitor, None, request_id=request_id_of(task_id), wait_for_start=True)
        except (TimeoutError, NotFound):
            raise NotFound(f"no picture was asked for with this task_id within {seconds:g} seconds") from None

    async def _first(self, visitor: Visitor, patience_seconds: float | None, **target: Any) -> SharedEntry:
        """Return a snapshot of what the service finds. How ids follow from request ids need not be known here."""
        patience = Patience(patience_seconds)
        message = IMAGE.request("WatchProgress")(snapshot=True, **target)
        while True:
            try:
                async with aclosing(self._client.stream("WatchProgress", message, visitor.caller)) as responses:
                    async for data in responses:
                        return read_entry(IMAGE, target.get("generation_id", ""), data)
            except Unavailable:
                await patience.wait()
            else:
                raise NotFound("there is no such picture")
