"""The front ends of family A, the Story Workshop: stories are begun, watched over a plain WebSocket, or asked after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import NotFound
from fabula.rpc.client import Client
from fabula.rpc.kinds import STORY, kind_of
from gateway.channels import Channel, Said
from gateway.cursors import Cursor
from gateway.dialects.standing import standing_of_generation
from gateway.dialects.workshop import WORKSHOP, status_of
from gateway.doors.dialect_socket import DialectDoor, Program
from gateway.doors.speech import speech_of
from gateway.entries import SharedEntry
from gateway.frontends.requests import key_of, read_object
from gateway.frontends.story_wishes import start_request
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.operations import Operation, Parameter
from gateway.payloads.plain_sockets import PLAIN_QUERY, said_to_clients
from gateway.payloads.schema import ref
from gateway.single_calls import ask
from gateway.watch import Watch

FAMILY = "A: story workshop"
PATH = "/api/v1/stories"
PROGRESS = f"{PATH}/progress/"
STATUS = f"{PATH}/status/"

SPEECH = speech_of(WORKSHOP)

IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key", "Of your own; the same one with the same wishes is the same generation.", {"type": "string"},
    "header",
)  # fmt: skip

_NO_STORE = {"Cache-Control": "no-store"}


class Workshop:
    """Their addresses, and their sockets. Implements `gateway.doors.dialect_socket.Family`.

    Args:
        house: The inside of the gateway; there are stories in it.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> Iterable[Operation]:
        """Yield what is done at the addresses."""
        yield Operation(
            "POST", f"{PATH}/generate", "workshopGenerate", "Begin a story.", self._start,
            family=FAMILY, accepts={"application/json": ref("StoryWishes")}, parameters=(IDEMPOTENCY_KEY,),
            status=HTTPStatus.ACCEPTED, gives=ref("WorkshopStarted"), errors=(HTTPStatus.CONFLICT,),
            links=(("workshopStatus", "$response.body#/generation_id"),),
        )  # fmt: skip
        yield Operation(
            "GET", f"{STATUS}{{id}}", "workshopStatus", "The newest update, for who cannot hold a socket open.",
            self._status, family=FAMILY, gives=ref("WorkshopStatus"), errors=(HTTPStatus.NOT_FOUND,),
        )  # fmt: skip

    channel = Channel(
        "workshopProgress", FAMILY, f"{PROGRESS}{{generation_id}}", "How far a story is.",
        sends=(Said("workshopUpdate", "WorkshopUpdate"), *said_to_clients("workshop")),
        hears=(Said("workshopPing", "SocketPing"),),
        parameters={"generation_id": "Which story."},
        query=PLAIN_QUERY,
    )  # fmt: skip

    def door(self) -> DialectDoor:
        """Return the door of the sockets."""
        return DialectDoor(self._house, PROGRESS, self)

    @property
    def _client(self) -> Client:
        return self._house.clients[STORY.name]

    @asynccontextmanager
    async def admit(self, visitor: Visitor, name: str, after: Cursor | None) -> AsyncIterator[Program]:
        """Open the watch before the socket; who is new begins with the newest event; see `Family`."""
        check_is_story(name)

        async def open_at_newest() -> Watch:
            return await self._house.hub.open(visitor, name, Wish(await self._newest(visitor, name) - 1))

        async def opened() -> tuple[None, Watch]:
            return None, watch

        opening = open_at_newest() if after is None else self._house.hub.open(visitor, name, Wish(after.sequence))
        with closing(await opening) as watch:
            yield Program(SPEECH, opened, open_at_newest)

    async def _newest(self, visitor: Visitor, generation_id: str) -> int:
        """Return the sequence of a story's newest event. Raises `NotFound`."""
        visitor.check_may_read(generation_id)
        view = generation_pb2.GENERATION_VIEW_BASIC
        message: Any = STORY.request("GetGeneration")(generation_id=generation_id, view=view)
        newest: int = (await ask(self._client, "GetGeneration", message, visitor)).generation.last_sequence
        return newest

    async def _start(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        message = start_request(await read_object(request), key_of(request))
        generation = (await ask(self._client, "StartGeneration", message, visitor, "story")).generation
        content = {
            "generation_id": generation.id,
            "status": standing_of_generation(generation).status,
            "message": "Story generation has started",
            "progress_url": f"{PROGRESS}{generation.id}",
            "status_url": f"{STATUS}{generation.id}",
        }
        headers = {**_NO_STORE, "Location": content["status_url"]}
        return JSONResponse(content, HTTPStatus.ACCEPTED, headers)

    async def _status(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        generation_id = request.path_params["id"]
        check_is_story(generation_id)
        message: Any = STORY.request("GetGeneration")(generation_id=generation_id)
        response = await ask(self._client, "GetGeneration", message, visitor)
        content = status_of(response, self._waiting(visitor, response.generation))
        return JSONResponse(content, headers=_NO_STORE)

    def _waiting(self, visitor: Visitor, generation: generation_pb2.Generation) -> SharedEntry | None:
        """Return the newest update of who waits in the queue, if it is newer than the log."""
        if generation.state != generation_pb2.STATE_QUEUED:
            return None
        waiting = self._house.hub.waiting(visitor, generation)
        return waiting if waiting and waiting.time_seconds >= generation.update_time.ToNanoseconds() / 1e9 else None


def check_is_story(generation_id: str) -> None:
    """Check that an id is a story's. Raises `NotFound`."""
    if kind_of(generation_id) is not STORY or len(generation_id) > 64:
        raise NotFound("there is no such generation", id=generation_id[:64])
