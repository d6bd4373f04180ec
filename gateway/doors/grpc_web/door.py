"""The door of gRPC-Web, as an ASGI application: every rpc of the services, at its own path.

After PROTOCOL-WEB.md of gRPC. What is called is told apart by its path, as gRPC paths are like no other: the first part
has dots in it.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

import grpc
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fabula.rpc.client import Caller
from gateway.answers import http_problem
from gateway.doors.grpc_web.answer import Answer, read_message, while_there
from gateway.doors.grpc_web.call import Call
from gateway.doors.grpc_web.methods import Method, methods_of, unknown
from gateway.doors.grpc_web.status import DETAILS, Refusal, Status, status_of
from gateway.doors.grpc_web.streams import DOOR
from gateway.doors.grpc_web.wire import MEDIA_TYPE, Formats, RequestReader, formats_of, seconds_of
from gateway.house import House
from gateway.identity import Visitor
from gateway.origin import OriginGuard
from gateway.pipe import ClientGone

_PATH = re.compile(r"/\w+(?:\.\w+)+/\w+")
_NOBODY = Visitor("", Caller())
OPEN_MESSAGE_BYTES = 4 * 1024
"""Largest message of who need not say who he is: one that names a service."""


class GrpcWebDoor:
    """Answers gRPC-Web.

    Args:
        house: The inside of the gateway.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._methods = methods_of(house)
        app: ASGIApp = self._serve
        if house.settings.allowed_origins:
            app = CORSMiddleware(
                app,
                allow_origins=house.settings.allowed_origins,
                allow_credentials=True,
                allow_methods=["POST"],
                allow_headers=["*"],  # those that are asked for, as PROTOCOL-WEB has it: a call's metadata are headers
                expose_headers=["grpc-status", "grpc-message", DETAILS, "grpc-accept-encoding"],
            )
        self._app = OriginGuard(app, house.doorkeeper.rule)

    def serves(self, scope: Scope) -> bool:
        """Say whether a request is for this door."""
        return scope["type"] == "http" and _PATH.fullmatch(scope["path"]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            problem = http_problem(HTTPStatus.METHOD_NOT_ALLOWED, "rpcs are called by POST")
            await problem.as_response({"Allow": "POST"})(scope, receive, send)
            return
        formats = formats_of(headers.get("content-type", ""), headers.get("accept", ""))
        if formats is None or headers.get("content-encoding", "identity").lower() != "identity":
            told = f"rpcs are called here in {MEDIA_TYPE}+proto or {MEDIA_TYPE}-text+proto, without Content-Encoding"
            problem = http_problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told)
            more = {"Accept-Post": f"{MEDIA_TYPE}+proto, {MEDIA_TYPE}-text+proto", "Accept-Encoding": "identity"}
            await problem.as_response(more)(scope, receive, send)
            return
        await self._answer(Request(scope, receive), Answer(send, formats), formats)

    async def _answer(self, request: Request, answer: Answer, formats: Formats) -> None:
        message: bytes | None = None
        try:
            status, message = await self._in_time(self._method(request.scope["path"]), request, answer, formats)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the door tells every error
            status = self._told(error)
        await answer.end(status, message)

    def _method(self, path: str) -> Method:
        found = self._methods.get(path)
        if found is None:
            raise unknown(path)
        return found

    async def _in_time(
        self, method: Method, request: Request, answer: Answer, formats: Formats
    ) -> tuple[Status, bytes | None]:
        """Carry out a call within the time that its caller gives it."""
        deadline = None
        if timeout := request.headers.get("grpc-timeout"):
            deadline = asyncio.get_running_loop().time() + seconds_of(timeout)
        try:
            async with asyncio.timeout_at(deadline) as limit:
                visitor = _NOBODY if method.open_to_all else await self._house.doorkeeper.let_in(request)
                most = OPEN_MESSAGE_BYTES if method.open_to_all else self._house.settings.grpc_web_message_bytes
                reader = RequestReader(most, text=formats.text_request)
                data = await read_message(request.receive, reader, self._house.bodies)
                return await while_there(
                    request.receive, method.carry(Call(request.scope, visitor, data, deadline, answer))
                )
        except TimeoutError:
            raise _late() if limit.expired() else RuntimeError("something else was late") from None
        except grpc.aio.AioRpcError as error:
            # The service may notice first.
            if deadline is not None and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise _late() from None
            raise

    def _told(self, error: Exception) -> Status:
        status = status_of(error)
        self._house.metrics.errors.labels(DOOR, status.name).inc()
        return status


def _late() -> Refusal:
    """Return a new one each time: an exception keeps all frames that it has ever been raised through."""
    return Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "the call was not done in the time that its caller gave it")
