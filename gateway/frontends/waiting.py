"""Waiting for the end of a generation: for requests that are answered when it is there."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import closing
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response

from fabula.errors import Unavailable
from gateway.answers import Problem
from gateway.entries import SharedEntry
from gateway.fan import Form
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.race import race

DOOR = "waiting"


class Waited(Enum):
    """How a waiting ended."""

    ENDED = "the run has ended"
    LATE = "it was not waited for any longer"
    GONE = "the client has left"


async def until_ended(house: House, request: Request, visitor: Visitor, generation_id: str) -> Waited:
    """Wait until a run has ended, for at most as long as the settings say.

    Args:
        house: The inside of the gateway.
        request: What is to be answered; its body was read. It has its place among the connections.
        visitor: Who asks.
        generation_id: Which generation.

    Raises:
        FabulaError: as `Hub.open`; `Unavailable` when the gateway closes.
    """
    waiter = _Waiter()
    wish = Wish(snapshot=True, conflate=True)
    with closing(await house.hub.open(visitor, generation_id, wish)) as watch:
        house.caretaker.begin(waiter)

        async def end() -> None:
            await watch.run(waiter)
            waiter.waited = Waited.ENDED

        async def leave() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            waiter.waited = Waited.GONE

        try:
            async with asyncio.timeout(house.settings.answer_seconds):
                await race(end(), leave(), waiter.dismissed.wait())
        except TimeoutError:
            return Waited.LATE
        finally:
            house.caretaker.end(waiter)
    if waiter.waited is None:
        raise Unavailable("the gateway is being restarted: ask again, with the same request id")
    return waiter.waited


def still_running(generation_id: str, seconds: float) -> Problem:
    """Return what is told who has waited long enough."""
    message = f"it is not done after {seconds:g} seconds, and goes on: ask again with the same request id, or watch it"
    return Problem("STILL_RUNNING", message, 504, 1013, retryable=True, details={"id": generation_id})


def nobody_listens() -> Response:
    """Return the answer to a client that has left: it is not sent to anybody."""
    return Response(status_code=499)  # as nginx notes it


class _Waiter:
    """Reads a watch to its end, and nothing else. Implements `watch.Recipient` and `caretaker.Connection`."""

    pipe = None
    form = Form("nothing", lambda _: b"", DOOR, conflate=True)
    wrote_at = math.inf  # nothing can be sent before the answer

    def __init__(self) -> None:
        self.dismissed = asyncio.Event()
        self.waited: Waited | None = None

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Nothing is sent."""

    def resume(self) -> None:
        """Never needed: without a pipe the fan does not carry it."""

    async def keep_alive(self) -> None:
        """Never asked for."""

    async def dismiss(self) -> None:
        """Wait no longer."""
        self.dismissed.set()
