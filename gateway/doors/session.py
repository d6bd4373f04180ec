"""The door of the session cookie: a browser has its token kept where no script can read it."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from gateway.house import House
from gateway.identity import token_of
from gateway.operations import Operation
from gateway.queries import only

PATH = "/v1/session"


def session_operations(house: House) -> Iterable[Operation]:
    """Yield the operations of this door, for routes and OpenAPI."""
    doorkeeper = house.doorkeeper

    async def begin(request: Request) -> Response:
        only(request.query_params, ())
        token = token_of(request.headers)  # never the cookie's own: that one would not last any longer
        identity = await doorkeeper.identify(token)
        line = doorkeeper.cookie.keeping(token, identity.expires, request.headers)
        return _answer(line if doorkeeper.required else None)

    async def end(request: Request) -> Response:
        only(request.query_params, ())
        doorkeeper.rule.check_page(request.headers, proof=True)
        return _answer(doorkeeper.cookie.forgetting(request.headers))

    yield Operation(
        "POST", PATH, "beginSession", "Keep the token of the header Authorization in a cookie.", begin,
        status=HTTPStatus.NO_CONTENT,
    )  # fmt: skip
    yield Operation(
        "DELETE", PATH, "endSession", "Forget the cookie.", end, status=HTTPStatus.NO_CONTENT,
    )  # fmt: skip


def _answer(line: str | None) -> Response:
    headers = {"Cache-Control": "no-store", **({"Set-Cookie": line} if line else {})}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
