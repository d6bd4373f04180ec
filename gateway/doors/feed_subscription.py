"""The feed of the client's own generations on one socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache

from fabula.api.gateway.v1 import gateway_pb2
from gateway.dialects import native
from gateway.dialects.native import Native
from gateway.doors.subscription import Subscriber
from gateway.entries import Frame
from gateway.feed_watch import FeedWatch, Item
from gateway.identity import Visitor
from gateway.owner_feeds import Told
from gateway.pipe import ClientGone


@cache
def _encoder(name: str) -> Callable[[Told], Frame]:
    dialect = native.DIALECTS[name]
    return lambda told: dialect.encode(native.generation_frame(told.generation, deleted=told.deleted))


def _message(dialect: Native, item: Item) -> Frame:
    if isinstance(item, Told):
        return item.frame(dialect.name, _encoder(dialect.name))
    return dialect.encode(native.listed_frame(item))


class FeedSubscription:
    """One socket's, with a task that sends what there is to tell as fast as the client reads.

    Args:
        socket: The socket.
        frame_id: The client's frame that asked for it.
        request: What it asked for.

    Raises:
        FabulaError: it cannot be had.
    """

    __slots__ = ("_frame_id", "_socket", "_task", "_watch")

    def __init__(self, socket: Subscriber, frame_id: str, request: gateway_pb2.WatchGenerations) -> None:
        self._socket = socket
        self._frame_id = frame_id
        self._watch = FeedWatch(socket.house.feeds, socket.visitor, request.kinds)
        self._task: asyncio.Task[None] = socket.tasks.create_task(self._serve())

    def renew(self, visitor: Visitor) -> None:
        """Watch on behalf of a fresh token from now on."""
        self._watch.renew(visitor)

    def drop(self) -> None:
        """End the subscription; nothing is sent for it any more."""
        self._task.cancel()
        self._watch.close()

    async def _serve(self) -> None:
        socket = self._socket
        try:
            await socket.send(native.done_frame(self._frame_id, ""))
            while True:
                await socket.outlet.send(_message(socket.dialect, await self._watch.next()))
        except ClientGone:
            pass
        except Exception as error:  # noqa: BLE001 - the feed's trouble is not the socket's
            await socket.tell("", "", error)
        finally:
            self._watch.close()
