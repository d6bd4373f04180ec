"""Finds the picture of a task, whose id the client has chosen: perhaps before it was asked for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from fabula.errors import NotFound, Unavailable
from fabula.rpc.client import Client, Patience
from fabula.rpc.kinds import IMAGE, kind_of
from gateway.cursors import Cursor
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

    async def open(self, visitor: Visitor, task_id: str, after: Cursor | None) -> Watch:
        """Open the watch of a task, as soon as there is one, which has to be closed.

        Who is there before the picture is asked for is told everything from its beginning; who comes later where it
        stands, or what was missed since a cursor.

        Args:
            visitor: Who watches.
            task_id: As the client has chosen it. The id of a picture of their own does as well.
            after: How far the client has been told; None: it is new.

        Raises:
            NotFound: nobody has asked for it in the time that the settings allow.
            FabulaError: it cannot be watched.
        """
        wish = Wish(snapshot=True) if after is None else Wish(after.sequence)
        if kind_of(task_id) is IMAGE:
            try:
                return await self._house.hub.open(visitor, task_id, wish)
            except NotFound:
                pass  # then it is a task's id that looks like this
        request_id = request_id_of(task_id)
        try:
            found = await self._find(visitor, request_id, OPENING_SECONDS)
        except NotFound:
            found, wish = await self._wait(visitor, request_id), Wish()
        return await self._house.hub.open(visitor, found, wish)

    async def _wait(self, visitor: Visitor, request_id: str) -> str:
        """Return the generation of a request id once there is one. Raises `NotFound`."""
        seconds = self._house.settings.start_wait_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._find(visitor, request_id, None, wait_for_start=True)
        except (TimeoutError, NotFound):
            raise NotFound(f"no picture was asked for with this task_id within {seconds:g} seconds") from None

    async def _find(
        self, visitor: Visitor, request_id: str, patience_seconds: float | None, *, wait_for_start: bool = False
    ) -> str:
        """Return the generation of a request id; it need not be known here how one follows from the other."""
        patience = Patience(patience_seconds)
        message = IMAGE.request("WatchProgress")(request_id=request_id, snapshot=True, wait_for_start=wait_for_start)
        while True:
            try:
                async with aclosing(self._client.stream("WatchProgress", message, visitor.caller)) as responses:
                    async for data in responses:
                        event = IMAGE.api.WatchProgressResponse.FromString(data).event
                        found: str = event.generation_id
                        return found
            except Unavailable:
                await patience.wait()
            else:
                raise NotFound("there is no such picture")
