"""What the doors for single calls share: how a service is asked, how a page is asked for, how its answer reads."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.errors import InvalidRequest
from fabula.rpc.client import Client
from gateway.identity import Visitor
from gateway.json_requests import in_json_names
from gateway.operations import Parameter
from gateway.queries import only, whole_number

LARGEST_PAGE = 2**31 - 1

PAGE = (
    Parameter("pageSize", "At most this many, up to 100; 0 or absent means 20.", {"type": "integer", "minimum": 0}),
    Parameter("pageToken", "`nextPageToken` of the page before.", {"type": "string", "maxLength": 256}),
)
"""The parameters of every list."""


async def ask(
    client: Client,
    rpc: str,
    message: Any,
    visitor: Visitor,
    inside: str = "",
    *,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Call a service; what it refuses is told with the names that the fields have in JSON.

    Args:
        client: The service.
        rpc: Which of its rpcs.
        message: The request.
        visitor: Who asks.
        inside: Field of the request that the JSON leaves out, because the whole body stands for it.
        names: What clients call fields otherwise, by the names in JSON.

    Raises:
        FabulaError: what the service answered.
    """
    try:
        return await client.call(rpc, message, visitor.caller)
    except InvalidRequest as error:
        raise in_json_names(error, inside, names) from None


def page_request(cls: type[Message], request: Request, more: tuple[str, ...] = ()) -> Any:
    """Return the request for a page of a list; `more`: the other parameters that it has. Raises `InvalidRequest`."""
    query = request.query_params
    only(query, ("pageSize", "pageToken", *more))
    fields = {"page_size": whole_number("pageSize", query.get("pageSize"), LARGEST_PAGE) or 0}
    return cls(**fields, page_token=query.get("pageToken", ""))


def answer(message: Message, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Return a message as proto3 JSON with all its fields, those with default values too."""
    content = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return JSONResponse(content, status, {"Cache-Control": "no-store", **(headers or {})})
