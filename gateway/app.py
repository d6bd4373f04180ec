"""Puts the gateway together: services, hub, doors."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from fabula.api.gateway.v1 import gateway_pb2
from fabula.errors import FabulaError
from fabula.rpc.client import Client, open_channel
from fabula.rpc.kinds import KINDS
from fabula.rpc.tickets import TICKETS
from fabula.rpc.tls import tls_of
from fabula.rpc.trust import authenticator_of
from fabula.rpc.validation import warm
from fabula.settings import GatewaySettings
from gateway.answers import on_fabula_error, on_http_exception
from gateway.asyncapi import SOCKETS
from gateway.bodies import BodyLimits
from gateway.caretaker import Caretaker
from gateway.channels import Channel
from gateway.cookies import SessionCookie
from gateway.doors import page
from gateway.doors.batches import Batches
from gateway.doors.dialect_socket import DialectDoor
from gateway.doors.documents import Documents
from gateway.doors.feed_events import feed_operation
from gateway.doors.grpc_web import GrpcWebDoor
from gateway.doors.library import library_operations
from gateway.doors.log_lines import log_operations
from gateway.doors.many_events import many_events_operation
from gateway.doors.operators import Operators
from gateway.doors.pictures import picture_operations
from gateway.doors.rest import Rest
from gateway.doors.session import session_operations
from gateway.doors.socket_io.door import SocketIoDoor
from gateway.doors.sse import EventStreams, events_operation
from gateway.doors.tickets import ticket_operations
from gateway.doors.webhooks import webhook_operations
from gateway.doors.websocket import SocketDoor
from gateway.frontends.plain import open_plain
from gateway.frontends.socket_io import open_socket_io
from gateway.house import House
from gateway.hub import Hub
from gateway.identity import Doorkeeper
from gateway.metrics import Metrics
from gateway.operations import Operation
from gateway.origin import OriginGuard, OriginRule, refuse
from gateway.owner_feeds import Feeds
from gateway.picture_links import PictureLinks

_CORS_ANSWER_HEADERS = (
    "accept-ranges",
    "content-disposition",
    "content-range",
    "etag",
    "location",
    "retry-after",
    "x-generation-id",
)


@asynccontextmanager
async def open_house(settings: GatewaySettings) -> AsyncIterator[House]:
    """Open the connections to the services, and close them in the end. Connects at the first call."""
    tls = tls_of(settings)
    channels = {kind: open_channel(settings.address_of(kind), tls) for kind in KINDS if settings.has(kind)}
    clients = {kind: Client(KINDS[kind], channel) for kind, channel in channels.items()}
    metrics = Metrics()
    offices = {kind: Client(TICKETS, channel) for kind, channel in channels.items()}
    authenticator = authenticator_of(settings)
    # Where tokens are asked for, being reached is not enough: the gateway may have any name.
    rule = OriginRule(frozenset(settings.allowed_origins), own_names_only=not authenticator.required)
    doorkeeper = Doorkeeper(authenticator, rule, SessionCookie(settings.session_cookie), offices, links_of(settings))
    warm([gateway_pb2.ClientFrame()])
    try:
        async with (
            Hub(clients, metrics, settings.max_watchers) as hub,
            Feeds(clients) as feeds,
            Caretaker(settings.keepalive_seconds) as caretaker,
        ):
            yield House(settings, channels, clients, hub, feeds, doorkeeper, metrics, caretaker)
    finally:
        for channel in channels.values():
            await channel.close(None)


def links_of(settings: GatewaySettings) -> PictureLinks:
    """Return what makes addresses of pictures that need no token."""
    secret = settings.jwt_secret
    return PictureLinks(None if secret is None else secret.get_secret_value())


def application(house: House) -> ASGIApp:
    """Return the gateway as an ASGI application."""
    rule = house.doorkeeper.rule
    socket_io, plain = open_socket_io(house), open_plain(house)
    doors: tuple[DialectDoor | SocketIoDoor | GrpcWebDoor, ...] = (*plain.doors, *socket_io.doors, GrpcWebDoor(house))
    operations, channels = [*socket_io.operations, *plain.operations], [*plain.channels, *socket_io.channels]
    rest = _rest(house, _routes(house, operations, channels))
    sockets = OriginGuard(SocketDoor(house), rule)

    def choose(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Take the shortest way to the sockets: each layer of Starlette would hold a frame for each open socket."""
        if not house.may_ask(scope):
            return refuse(house.too_many_requests(), scope, receive, send, rule)
        if scope["type"] == "websocket" and scope["path"] == SOCKETS:
            return sockets(scope, receive, send)
        for door in doors:
            if door.serves(scope):
                return door(scope, receive, send)
        return rest(scope, receive, send)

    return choose


def _rest(house: House, routes: list[BaseRoute]) -> Starlette:
    """Return what answers all that is no socket and has no door of its own."""
    settings, rule = house.settings, house.doorkeeper.rule
    middleware = [Middleware(OriginGuard, rule)]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_credentials=True,  # the cookie; without authentication, too: the same page asks there by it
                allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
                allow_headers=["*"],  # those that are asked for: pages that are let in send headers of their own
                expose_headers=_CORS_ANSWER_HEADERS,
            )
        )

    async def on_fault(request: Request, error: Exception) -> Response:
        return rule.let_read(await on_fabula_error(request, error), request.headers)

    rest = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={
            HTTPException: on_http_exception,
            FabulaError: on_fabula_error,
            Exception: on_fault,  # outside of all middleware
        },
    )
    rest.state.body_limits = BodyLimits(
        settings.max_body_bytes, settings.max_file_bytes, house.bodies, house.metrics.limit_met
    )
    return rest


def _routes(house: House, of_frontends: list[Operation], channels: list[Channel]) -> list[BaseRoute]:
    """Return the routes of all addresses; what stands in no operation is in no document, and a test knows its name."""
    single = [*Rest(house).operations(), *picture_operations(house), *library_operations(house)]
    operations = [*single, *ticket_operations(house), *session_operations(house), *webhook_operations(house)]
    operations.append(events_operation(EventStreams(house)))
    operations += [feed_operation(house), *log_operations(house)]
    operations += [many_events_operation(house), Batches(house).operation()]
    documents = Documents()
    operations += [*Operators(house).operations(), *documents.operations(), *of_frontends]
    documents.write(operations, channels, house.clients, token_needed=house.doorkeeper.required)
    return [*page.routes(), *_operation_routes(operations)]


def _operation_routes(operations: list[Operation]) -> list[Route]:
    """Return a route for each address; literal ones before those with parameters that would match them too."""
    paths = sorted({operation.path for operation in operations}, key=lambda path: (path.count("{"), -len(path)))
    routes = []
    for path in paths:
        endpoints = {operation.method: operation.endpoint for operation in operations if operation.path == path}
        routes.append(Route(path, _ByMethod(endpoints), methods=list(endpoints)))
    return routes


class _ByMethod:
    """Hands a request to the operation of its verb, so that one address answers 405 with all its verbs."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._apps: dict[str, ASGIApp] = {
            method: request_response(endpoint) if inspect.isroutine(endpoint) else endpoint
            for method, endpoint in endpoints.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        app = self._apps[method] if method in self._apps else self._apps["GET"]  # HEAD, which the router lets in
        await app(scope, receive, send)
