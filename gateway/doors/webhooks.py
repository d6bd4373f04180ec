"""The door of webhooks: addresses that are told when generations end, and what was sent to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.errors import InvalidRequest, Unavailable
from fabula.rpc.client import Client
from fabula.rpc.validation import validate
from fabula.webhooks.contract import WEBHOOKS
from gateway.bodies import read_json
from gateway.house import House
from gateway.json_requests import fill, in_json_names
from gateway.operations import Operation
from gateway.queries import only
from gateway.single_calls import PAGE, answer, ask, page_request

PATH = "/v1/webhooks"
_ONE = f"{PATH}/{{id}}"
_DELIVERY = f"{_ONE}/deliveries/{{delivery}}"
_GONE = (HTTPStatus.NOT_FOUND,)

_ANYWHERE = frozenset(
    {"GetWebhook", "ListWebhooks", "DeleteWebhook", "EnableWebhook", "DisableWebhook", "ListDeliveries", "GetDelivery"}
)
"""Rpcs that do no harm when they are asked twice: where a service is away, the next one is asked."""


def webhook_operations(house: House) -> Iterable[Operation]:
    """Yield the operations of this door, for routes and OpenAPI."""
    yield from Webhooks(house).operations()


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Answers what is asked about webhooks. Every generator's service knows of all of them.

    Attributes:
        house: The inside of the gateway.
    """

    house: House

    def operations(self) -> Iterable[Operation]:
        """Yield its operations."""
        response = WEBHOOKS.response
        yield Operation(
            "POST", PATH, "createWebhook",
            "Register an address that is told when your generations end; shows its secret.",
            self._create, body=WEBHOOKS.request("CreateWebhook"), elsewhere=(), answers=(response("CreateWebhook"),),
            status=HTTPStatus.CREATED, errors=(HTTPStatus.TOO_MANY_REQUESTS,), needs_body=True,
        )  # fmt: skip
        yield Operation(
            "GET", PATH, "listWebhooks", "List your webhooks, the oldest first.", self._list,
            answers=(response("ListWebhooks"),),
        )  # fmt: skip
        yield Operation("GET", _ONE, "getWebhook", "Read a webhook.", self._get, answers=(pb.Webhook,), errors=_GONE)
        yield Operation(
            "DELETE", _ONE, "deleteWebhook", "Remove a webhook; what was to be sent to it is not.", self._delete,
            status=HTTPStatus.NO_CONTENT, errors=_GONE,
        )  # fmt: skip
        yield Operation(
            "POST", f"{_ONE}:enable", "enableWebhook", "Have a webhook told again.", self._enable,
            answers=(pb.Webhook,), errors=_GONE,
        )  # fmt: skip
        yield Operation(
            "POST", f"{_ONE}:disable", "disableWebhook", "Stop telling a webhook.", self._disable,
            answers=(pb.Webhook,), errors=_GONE,
        )  # fmt: skip
        yield Operation(
            "POST", f"{_ONE}:rotateSecret", "rotateWebhookSecret",
            "Draw a new secret, and show it; for 24 hours the old one signs, too.", self._rotate,
            answers=(response("RotateSecret"),), errors=_GONE,
        )  # fmt: skip
        yield Operation(
            "POST", f"{_ONE}:test", "testWebhook", "Have a test sent, once.", self._test, answers=(pb.Delivery,),
            errors=(*_GONE, HTTPStatus.TOO_MANY_REQUESTS),
        )  # fmt: skip
        yield Operation(
            "GET", f"{_ONE}/deliveries", "listDeliveries",
            "List what was sent in the last seven days and is to be sent.", self._deliveries,
            answers=(response("ListDeliveries"),), parameters=PAGE, errors=_GONE,
        )  # fmt: skip
        yield Operation(
            "GET", _DELIVERY, "getDelivery", "Read a delivery.", self._delivery, answers=(pb.Delivery,), errors=_GONE
        )
        yield Operation(
            "POST", f"{_DELIVERY}:retry", "retryDelivery", "Send a delivery again, now, under its id.", self._retry,
            answers=(pb.Delivery,), errors=(*_GONE, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
        )  # fmt: skip

    async def _create(self, request: Request) -> Response:
        visitor = await self.house.doorkeeper.let_in(request)
        only(request.query_params, ())
        message = WEBHOOKS.request("CreateWebhook")()
        fill(message, await read_json(request))
        try:
            validate(message)
        except InvalidRequest as error:
            raise in_json_names(error) from None
        made = await self._ask("CreateWebhook", message, visitor)
        return answer(made, HTTPStatus.CREATED, {"Location": f"{PATH}/{made.webhook.id}"})

    async def _list(self, request: Request) -> Response:
        return answer(await self._call("ListWebhooks", request))

    async def _get(self, request: Request) -> Response:
        return answer((await self._call("GetWebhook", request)).webhook)

    async def _delete(self, request: Request) -> Response:
        await self._call("DeleteWebhook", request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _enable(self, request: Request) -> Response:
        return answer((await self._call("EnableWebhook", request)).webhook)

    async def _disable(self, request: Request) -> Response:
        return answer((await self._call("DisableWebhook", request)).webhook)

    async def _rotate(self, request: Request) -> Response:
        return answer(await self._call("RotateSecret", request))

    async def _test(self, request: Request) -> Response:
        return answer((await self._call("SendTest", request)).delivery)

    async def _deliveries(self, request: Request) -> Response:
        visitor = await self.house.doorkeeper.let_in(request)
        message = page_request(WEBHOOKS.request("ListDeliveries"), request)
        message.webhook_id = request.path_params["id"]
        return answer(await self._ask("ListDeliveries", message, visitor))

    async def _delivery(self, request: Request) -> Response:
        return answer((await self._call("GetDelivery", request)).delivery)

    async def _retry(self, request: Request) -> Response:
        return answer((await self._call("RetryDelivery", request)).delivery)

    async def _call(self, rpc: str, request: Request) -> Any:
        """Ask for what the address says."""
        visitor = await self.house.doorkeeper.let_in(request)
        only(request.query_params, ())
        names = {"id": "webhook_id", "delivery": "delivery_id"}
        fields = {names[name]: value for name, value in request.path_params.items()}
        return await self._ask(rpc, WEBHOOKS.request(rpc)(**fields), visitor)

    async def _ask(self, rpc: str, message: Message, visitor: Any) -> Any:
        """Ask a service: the first, and where that is away and it does no harm, the others."""
        channels = list(self.house.channels.values())
        for channel in channels[:-1] if rpc in _ANYWHERE else ():
            try:
                return await ask(Client(WEBHOOKS, channel), rpc, message, visitor)
            except Unavailable:
                continue
        return await ask(Client(WEBHOOKS, channels[-1 if rpc in _ANYWHERE else 0]), rpc, message, visitor)
