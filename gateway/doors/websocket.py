"""The WebSocket door: many generations on one socket, and the feed of one's own, in the native dialect.

One task reads the client's frames. A subscription has a task only while it is behind its log; once it is level, the fan
carries it. It is a position in a log, not a queue: a client that does not read holds nobody up and costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from fabula.api.gateway.v1 import gateway_pb2
from fabula.errors import FabulaError, InvalidRequest, ResourceExhausted, Unauthenticated
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import Expiry
from gateway.answers import problem_of
from gateway.dialects import native
from gateway.dialects.native import Native, Refused, Unreadable
from gateway.doors.feed_subscription import FeedSubscription
from gateway.doors.outlet import DOOR, Outlet, outlet_of
from gateway.doors.subscription import Subscription
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.limits import too_many_messages
from gateway.pipe import ClientGone

MOST_SUBSCRIPTIONS = 64
"""Generations that one socket may watch at a time."""
MOST_REQUESTS = 16
"""Commands of one socket that are carried out at a time; further frames are read when one is done."""
CLOSE_RESTART = 1012
"""Close code: the server is being restarted; come back (IANA WebSocket Close Code registry)."""

_COMMANDS = {"cancel": "CancelGeneration", "pause": "PauseGeneration", "resume": "ResumeGeneration"}


def choose(offered: Sequence[str]) -> tuple[Native, str | None]:
    """Return what is spoken on a socket, and the subprotocol to confirm: the first one offered that is known.

    Raises:
        InvalidRequest: subprotocols are offered, and none is known. A browser would hang up on any other answer.
    """
    for name in offered:
        if name in native.DIALECTS:
            return native.DIALECTS[name], name
    if offered:
        known = ", ".join(native.DIALECTS)
        raise InvalidRequest(f"none of the subprotocols offered is known here; there are: {known}")
    return native.DEFAULT, None


class SocketDoor:
    """Answers `/v1/ws`, as an ASGI application.

    Args:
        house: The inside of the gateway.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket from its handshake to its end.

        Who may not come in is told so on the open socket: a browser shows its page no other answer than the close code.
        """
        websocket = WebSocket(scope, receive, send)
        try:
            dialect, subprotocol = choose(scope["subprotocols"])
        except InvalidRequest as error:
            await websocket.send_denial_response(problem_of(error).as_response())
            return
        await websocket.accept(subprotocol)
        outlet = outlet_of(websocket, dialect)
        try:
            with self._house.connection(DOOR, scope) as place:
                visitor = await self._house.doorkeeper.let_in_to_read(websocket)
                place.belong_to(visitor.owner)
                await Socket(self._house, websocket, outlet, dialect, visitor).run()
        except FabulaError as error:
            problem = problem_of(error)
            self._house.metrics.errors.labels(DOOR, problem.code).inc()
            with suppress(ClientGone):
                await outlet.send(dialect.encode(native.error_frame("", "", problem)))
                await outlet.close(problem.close, problem.code)


class Socket:
    """One open WebSocket.

    Args:
        house: The inside of the gateway.
        websocket: The accepted socket.
        outlet: Its sending side.
        dialect: What is spoken on it.
        visitor: Who is at the other end.
    """

    __slots__ = (
        "_expired",
        "_expiry",
        "_feed",
        "_requests",
        "_subscriptions",
        "_websocket",
        "dialect",
        "house",
        "outlet",
        "tasks",
        "visitor",
    )

    def __init__(self, house: House, websocket: WebSocket, outlet: Outlet, dialect: Native, visitor: Visitor) -> None:
        self.house = house
        self.outlet = outlet
        self.dialect = dialect
        self.visitor = visitor
        self.tasks = asyncio.TaskGroup()
        self._websocket = websocket
        self._subscriptions: dict[str, Subscription] = {}
        self._feed: FeedSubscription | None = None
        self._requests = asyncio.Semaphore(MOST_REQUESTS)
        self._expired = False
        self._expiry = Expiry(self._expire)

    @property
    def wrote_at(self) -> float:
        """When something was last sent, on the monotonic clock."""
        return max([self.outlet.wrote_at, *(each.wrote_at for each in self._subscriptions.values())])

    async def keep_alive(self) -> None:
        """Say that we are still here."""
        with suppress(ClientGone):
            await self.send(native.keep_alive_frame())

    async def dismiss(self) -> None:
        """Ask the client to come back later."""
        await self.outlet.close(CLOSE_RESTART, "the gateway is being restarted")

    async def run(self) -> None:
        """Serve the client until it leaves, sends what cannot be read, or the gateway closes."""
        if self.outlet.pipe is not None:
            self.outlet.pipe.on_stop = self._stop
        self.house.caretaker.begin(self)
        async with self.tasks:
            try:
                self._expiry.set(self.visitor.expires)
                await self._read()
            finally:
                self._expiry.cancel()
                self.house.caretaker.end(self)
                self._drop_all()
            # Commands are not cancelled: who cancels a story and closes the page has cancelled it.

    def _expire(self) -> None:
        self._expired = True
        self._drop_all()
        self.tasks.create_task(self._send_away(Unauthenticated(EXPIRED)))

    async def _send_away(self, error: FabulaError) -> None:
        """Tell the client why it cannot stay, and close the socket."""
        await self.tell("", "", error)
        await self.outlet.close(problem_of(error).close, error.code)

    def _drop_all(self) -> None:
        self._drop_feed()
        for subscription in tuple(self._subscriptions.values()):
            subscription.drop()

    def _stop(self) -> None:
        for subscription in tuple(self._subscriptions.values()):
            subscription.let_go()

    async def _read(self) -> None:
        allowance = self.house.allowance()
        with suppress(ClientGone):
            while True:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if not allowance.take():
                    self.house.metrics.limit_met("messages")
                    await self._send_away(too_many_messages(allowance))
                    return
                text = message.get("text")
                try:
                    await self._obey(self.dialect.decode(message["bytes"] if text is None else text))
                except Unreadable as unreadable:
                    await self.outlet.close(unreadable.close, unreadable.reason)
                    return
                except Refused as refused:
                    await self.tell(refused.frame_id, "", refused.error)

    async def _obey(self, frame: gateway_pb2.ClientFrame) -> None:
        if self._expired:
            return  # it is being closed
        request = frame.WhichOneof("request")
        match request:
            case "subscribe":
                await self._subscribe(frame.frame_id, frame.subscribe)
            case "subscribe_many":
                await self._subscribe_many(frame.frame_id, frame.subscribe_many.subscriptions)
            case "watch_generations":
                await self._watch_generations(frame.frame_id, frame.watch_generations)
            case "unwatch_generations":
                self._drop_feed()
                await self.send(native.done_frame(frame.frame_id, ""))
            case "unsubscribe":
                self._drop(frame.unsubscribe.generation_id)
                await self.send(native.done_frame(frame.frame_id, frame.unsubscribe.generation_id))
            case "authenticate":
                await self._authenticate(frame.frame_id, frame.authenticate.token)
            case "cancel" | "pause" | "resume":
                generation_id = getattr(frame, request).generation_id
                await self._requests.acquire()
                self.tasks.create_task(self._command(frame.frame_id, _COMMANDS[request], generation_id))

    async def _authenticate(self, frame_id: str, token: str) -> None:
        try:
            self.visitor = visitor = await self.house.doorkeeper.renew(self.visitor, token)
        except FabulaError as error:
            await self.tell(frame_id, "", error)
            return
        self._expiry.set(visitor.expires)
        for subscription in tuple(self._subscriptions.values()):
            subscription.renew(visitor)
        if self._feed is not None:
            self._feed.renew(visitor)
        await self.send(native.done_frame(frame_id, ""))

    async def _subscribe(self, frame_id: str, request: gateway_pb2.Subscribe) -> None:
        generation_id = request.generation_id
        self._drop(generation_id)
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            error = ResourceExhausted(f"one socket watches at most {MOST_SUBSCRIPTIONS} generations: open another")
            await self.tell(frame_id, generation_id, error)
            return
        wish = Wish(request.after_sequence, request.snapshot, request.conflate, request.wait_for_start)
        least = request.only_log.level if request.HasField("only_log") else None
        self._subscriptions[generation_id] = Subscription(self, frame_id, generation_id, wish, least)

    async def _subscribe_many(self, frame_id: str, requests: Sequence[gateway_pb2.Subscribe]) -> None:
        if len({request.generation_id for request in requests}) < len(requests):
            problem = "names a generation twice"
            await self.tell(frame_id, "", InvalidRequest(problem, (("subscribeMany.subscriptions", problem),)))
            return
        for request in requests:
            await self._subscribe(frame_id, request)

    async def _watch_generations(self, frame_id: str, request: gateway_pb2.WatchGenerations) -> None:
        self._drop_feed()
        try:
            self._feed = FeedSubscription(self, frame_id, request)
        except FabulaError as error:
            await self.tell(frame_id, "", error)

    def _drop_feed(self) -> None:
        if self._feed is not None:
            self._feed.drop()
            self._feed = None

    def _drop(self, generation_id: str) -> None:
        if subscription := self._subscriptions.get(generation_id):
            subscription.drop()

    def forget(self, subscription: Subscription) -> None:
        """Take note that a subscription is over."""
        if self._subscriptions.get(subscription.generation_id) is subscription:
            del self._subscriptions[subscription.generation_id]

    async def _command(self, frame_id: str, rpc: str, generation_id: str) -> None:
        try:
            client = self.house.client_of(generation_id)
            request = client.kind.request(rpc)(generation_id=generation_id)
            await client.call(rpc, request, self.visitor.caller)
            await self.send(native.done_frame(frame_id, generation_id))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - one command's trouble is not the socket's
            await self.tell(frame_id, generation_id, error)
        finally:
            self._requests.release()

    async def tell(self, frame_id: str, generation_id: str, error: Exception) -> None:
        """Tell the client that something could not be done."""
        problem = problem_of(error)
        self.house.metrics.errors.labels(DOOR, problem.code).inc()
        with suppress(ClientGone):
            await self.send(native.error_frame(frame_id, generation_id, problem))

    async def send(self, frame: gateway_pb2.ServerFrame) -> None:
        """Send a frame. Raises `ClientGone`."""
        await self.outlet.send(self.dialect.encode(frame))
