"""The door of tickets: given to who has a token, for what cannot send one."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from fabula.errors import InvalidRequest
from fabula.rpc.client import Client
from fabula.rpc.tickets import TICKETS
from fabula.rpc.validation import validate
from gateway.bodies import read_json
from gateway.house import House
from gateway.json_requests import fill, in_json_names
from gateway.operations import Operation
from gateway.queries import only
from gateway.single_calls import answer, ask

_RPC = "CreateTicket"


def ticket_operations(house: House) -> Iterable[Operation]:
    """Yield the operation of this door, for routes and OpenAPI."""

    async def create(request: Request) -> Response:
        visitor = await house.doorkeeper.let_in(request)
        only(request.query_params, ())
        message = TICKETS.request(_RPC)()
        fill(message, await read_json(request))
        try:
            validate(message)
        except InvalidRequest as error:
            raise in_json_names(error) from None
        client = house.client_of(message.generation_id)  # type: ignore[attr-defined]
        office = Client(TICKETS, house.channels[client.kind.name])
        return answer(await ask(office, _RPC, message, visitor))

    yield Operation(
        "POST", "/v1/tickets", "createTicket",
        "Get a ticket for a generation, for `?ticket=` of what cannot send a token: good for 30 seconds, and once.",
        create, body=TICKETS.request(_RPC), elsewhere=(), answers=(TICKETS.response(_RPC),),
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    )  # fmt: skip
