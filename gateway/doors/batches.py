"""The door of batches: several generations started by one request, each for itself.

One that cannot be started does not keep the others from it: the answer says of each, in order, what has become of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fabula.api.gateway.v1 import gateway_pb2
from fabula.errors import InvalidRequest
from fabula.rpc.validation import validate
from gateway.answers import Problem, problem_of
from gateway.bodies import bounded, media_type
from gateway.collection import collection_of
from gateway.doors.rest import start_request
from gateway.house import House
from gateway.identity import Visitor
from gateway.json_requests import fill, in_json_names, parse_object
from gateway.operations import Operation, Parameter
from gateway.queries import only
from gateway.single_calls import answer, ask

DOOR = "batches"
MOST_STARTS = 8
"""Generations of one batch that are being started at a time."""

_KEY = "Idempotency-Key"
_PARTLY = {"$ref": "#/components/schemas/GatewayStartBatchResponse"}
"""Schema of the answer where not all could be started: the same."""
_KEY_SCHEMA = {"type": "string", "maxLength": 120, "pattern": "^[A-Za-z0-9._:-]*$"}


class Batches:
    """Answers `POST /v1/batches`.

    Args:
        house: The inside of the gateway.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._collections = {kind: collection_of(client.kind) for kind, client in house.clients.items()}
        self._most_bytes = max((each.most_body_bytes for each in self._collections.values()), default=0)

    def operation(self) -> Operation:
        """Return the operation of this door, for routes and OpenAPI."""
        return Operation(
            "POST", "/v1/batches", "startBatch",
            "Start several generations; the answer says of each, in order, what has become of it.",
            self.start, body=gateway_pb2.StartBatchRequest, elsewhere=(), needs_body=True,
            answers=(gateway_pb2.StartBatchResponse,), failures={HTTPStatus.MULTI_STATUS: _PARTLY},
            parameters=(Parameter(_KEY, "As `requestId`, and goes before it.", _KEY_SCHEMA, "header"),),
        )  # fmt: skip

    async def start(self, request: Request) -> Response:
        """Start what a batch asks for."""
        visitor = await self._house.doorkeeper.let_in(request)
        only(request.query_params, ())
        if media_type(request) != "application/json":
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")
        content = parse_object(b"".join([chunk async for chunk in bounded(request, self._most_bytes)]))
        wishes = self._wishes(content, request.headers.get(_KEY, ""))
        turns = asyncio.Semaphore(MOST_STARTS)
        async with asyncio.TaskGroup() as tasks:
            starts = [tasks.create_task(self._started(visitor, turns, wish)) for wish in wishes]
        results = [start.result() for start in starts]
        failed = sum(result.HasField("error") for result in results)
        response = gateway_pb2.StartBatchResponse(results=results, started=len(results) - failed, failed=failed)
        return answer(response, HTTPStatus.MULTI_STATUS if failed else HTTPStatus.OK)

    def _wishes(self, content: dict[str, Any], key: str) -> list[_Wish]:
        """Return what is asked for. Raises `InvalidRequest` for what is no batch; what is wrong inside comes later."""
        batch = gateway_pb2.StartBatchRequest()
        fill(batch, content)
        batch.request_id = key or batch.request_id
        try:
            validate(batch)
        except InvalidRequest as error:
            raise in_json_names(error) from None
        most = self._house.settings.batch_items
        if len(batch.items) > most:
            problem = f"are {len(batch.items)}: one batch has at most {most}"
            raise InvalidRequest(f"items {problem}", (("items", problem),))
        given = [item.get("request") or {} for item in content["items"]]
        return [
            _Wish(item.kind, {**asked}, _request_id(batch, item, asked, place))
            for place, (item, asked) in enumerate(zip(batch.items, given, strict=True))
        ]

    async def _started(self, visitor: Visitor, turns: asyncio.Semaphore, wish: _Wish) -> gateway_pb2.BatchResult:
        async with turns:
            try:
                generation = await self._start(visitor, wish)
            except Exception as error:  # noqa: BLE001 - one item's trouble is not the others'
                problem = problem_of(error)
                self._house.metrics.errors.labels(DOOR, problem.code).inc()
                return gateway_pb2.BatchResult(request_id=wish.request_id, error=_told(problem))
            return gateway_pb2.BatchResult(request_id=generation.request_id or wish.request_id, generation=generation)

    async def _start(self, visitor: Visitor, wish: _Wish) -> Any:
        collection = self._collections.get(wish.kind)
        if collection is None:
            problem = f"must be one of: {', '.join(self._collections)}"
            raise InvalidRequest(f"kind {problem}", (("kind", problem),))
        message = start_request(collection, {"requestId": wish.request_id, **wish.request}, None)
        client = self._house.clients[wish.kind]
        return (await ask(client, "StartGeneration", message, visitor, collection.field)).generation


@dataclass(frozen=True, slots=True)
class _Wish:
    """One item, as it is started.

    Attributes:
        kind: Which generator.
        request: What is asked of it.
        request_id: Its idempotency key; empty if it has none.
    """

    kind: str
    request: dict[str, Any]
    request_id: str


def _request_id(batch: Any, item: Any, asked: dict[str, Any], place: int) -> str:
    """Return an item's idempotency key: its own, or one that follows from the batch's and its place.

    What is no text is left in what is asked, where it is refused.
    """
    names = [name for name in ("requestId", "request_id") if isinstance(asked.get(name), str)]
    own = [item.request_id, *(asked.pop(name) for name in names)]
    derived = f"{batch.request_id}.{place}" if batch.request_id else ""
    return next((key for key in own if key), derived)


def _told(problem: Problem) -> gateway_pb2.BatchProblem:
    violations = [gateway_pb2.FieldViolation(field=name, description=text) for name, text in problem.violations]
    return gateway_pb2.BatchProblem(
        code=problem.code,
        message=problem.message,
        retryable=problem.retryable,
        details=problem.details,
        violations=violations,
    )
