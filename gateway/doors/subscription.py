"""One generation on one socket: a task while it is behind its log, carried by the fan once it is level."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from fabula.api.gateway.v1 import gateway_pb2
from gateway.dialects import native
from gateway.dialects.native import Native
from gateway.doors.outlet import DOOR, Outlet, form_of
from gateway.entries import SharedEntry
from gateway.fan import Form
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.log_lines import message_of, socket_form
from gateway.pipe import ClientGone, Pipe
from gateway.watch import Watch


class Subscriber(Protocol):
    """The socket, as its subscriptions see it."""

    house: House
    outlet: Outlet
    dialect: Native
    visitor: Visitor
    tasks: asyncio.TaskGroup

    async def send(self, frame: gateway_pb2.ServerFrame) -> None:
        """Send a frame. Raises `ClientGone`."""
        ...

    async def tell(self, frame_id: str, generation_id: str, error: Exception) -> None:
        """Tell the client that something could not be done."""
        ...

    def forget(self, subscription: Subscription) -> None:
        """Take note that a subscription is over."""
        ...


class Subscription:
    """One generation on one socket.

    Args:
        socket: The socket.
        frame_id: The client's frame that asked for it.
        generation_id: Which generation.
        wish: What was asked for.
        least: How important lines have to be, if only those of its log are wanted; None: all events are.
    """

    __slots__ = ("_frame_id", "_lines", "_since", "_socket", "_task", "_watch", "form", "generation_id")

    def __init__(
        self, socket: Subscriber, frame_id: str, generation_id: str, wish: Wish, least: str | None = None
    ) -> None:
        self._socket = socket
        self._frame_id = frame_id
        self._since = time.time()
        self._watch: Watch | None = None
        self.generation_id = generation_id
        self._lines = least is not None
        self.form: Form = (
            form_of(socket.dialect, conflate=wish.conflate)
            if least is None
            else socket_form(socket.dialect.name, DOOR, least)
        )
        self._task = socket.tasks.create_task(self._serve(wish))

    @property
    def pipe(self) -> Pipe | None:
        """The way of finished frames, if there is one."""
        return self._socket.outlet.pipe

    @property
    def wrote_at(self) -> float:
        """When the fan has written last, on the monotonic clock; 0 while it does not carry this."""
        return self._watch.wrote_at if self._watch is not None else 0.0

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries of the watch. Raises `ClientGone`."""
        if self._lines:
            entries = self.form.chosen(entries)  # a snapshot is sent without being asked
            for entry in entries:
                await self._socket.outlet.send(message_of(self._socket.dialect, entry))
        else:
            await self._socket.outlet.send_entries(entries)
        self._socket.house.metrics.at(DOOR).sent(entries, self._since)

    def let_go(self) -> None:
        """Go on alone: the client has to read before more is written to it, or is gone."""
        if self._watch is not None:
            self._watch.let_go()

    def resume(self) -> None:
        """Read on, in a task."""
        if self.pipe is not None and not self.pipe.closed:
            self._task = self._socket.tasks.create_task(self._serve())

    def renew(self, visitor: Visitor) -> None:
        """Watch on behalf of a fresh token from now on."""
        if self._watch is not None:
            self._watch.renew(visitor.caller, visitor.expires)

    def drop(self) -> None:
        """End the subscription; nothing is sent for it any more."""
        self._task.cancel()
        self._end()

    def _end(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._socket.forget(self)

    async def _serve(self, wish: Wish | None = None) -> None:
        """Send what there is, until the fan carries the watch, or the run has ended and all is sent."""
        socket = self._socket
        try:
            if wish is not None:
                self._watch = await socket.house.hub.open(socket.visitor, self.generation_id, wish)
                self.renew(socket.visitor)  # it may have shown a fresh token meanwhile
                await socket.send(native.done_frame(self._frame_id, self.generation_id, self._watch.sequence))
                self._frame_id = ""  # what follows comes by itself
            assert self._watch is not None  # noqa: S101 - opened when this ran first
            if not await self._watch.run(self):
                return
            await socket.send(native.ended_frame(self.generation_id, self._watch.sequence))
        except ClientGone:
            pass
        except Exception as error:  # noqa: BLE001 - one subscription's trouble is not the socket's
            await socket.tell(self._frame_id, self.generation_id, error)
        self._end()
