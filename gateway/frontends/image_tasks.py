"""The front ends of family E: pictures are watched under ids that clients choose, and answered when they are done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.client import Client
from fabula.rpc.kinds import IMAGE
from fabula.rpc.tickets import TICKETS
from gateway.answers import Problem, http_problem, problem_of
from gateway.channels import Channel, Said
from gateway.cursors import Cursor
from gateway.dialects.image_tasks import KEEP_ALIVE, ImageTasks
from gateway.dialects.standing import standing_of_generation
from gateway.doors.dialect_socket import DialectDoor, Program
from gateway.doors.speech import Speech, speech_of
from gateway.frontends.failures import GENERATION, status_of_failure
from gateway.frontends.image_starts import Starts
from gateway.frontends.requests import read_object, request_id_of
from gateway.frontends.story_wishes import Fields
from gateway.frontends.waiting import DOOR, Waited, nobody_listens, still_running, until_ended
from gateway.house import House
from gateway.identity import Visitor, token_of
from gateway.limits import Tally, exceeded
from gateway.operations import Operation, Parameter
from gateway.origin import base_for
from gateway.payloads.plain_sockets import PLAIN_QUERY, said_to_clients
from gateway.payloads.schema import ref
from gateway.single_calls import ask

FAMILY = "E: image tasks"
SOCKETS = "/ws/image-generation/"
GENERATE = "/api/media/generate"

KEEP_ALIVE_SECONDS = 30.0
"""As the contract has it."""
LONGEST_TASK_ID = 1024
TASK_ID_TOO_LONG = f"a task_id has at most {LONGEST_TASK_ID} characters"

NUMBERS = {"width": ("width",), "height": ("height",), "steps": ("steps", "num_inference_steps"), "seed": ("seed",)}
"""What may be asked for beside the contract's fields, by its name in ours."""


@lru_cache(maxsize=1024)
def speech_for(task_id: str) -> Speech:
    """Return how a task is told of: all who watch it are told the same bytes."""
    dialect = ImageTasks(task_id)
    return speech_of(dialect, task_id, sign_of_life=KEEP_ALIVE, silent_seconds=KEEP_ALIVE_SECONDS)


class ImageTaskFrontend:
    """Their address, and their sockets. Implements `gateway.doors.dialect_socket.Family`.

    Args:
        house: The inside of the gateway; there are pictures in it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._starts = Starts(house)
        self._watchers = Tally(house.settings.max_watchers)

    def operations(self) -> Iterable[Operation]:
        """Yield what is done at the address."""
        header = Parameter(GENERATION, "Which generation the picture is of.", {"type": "string"}, "header")
        yield Operation(
            "POST", GENERATE, "generateImageTask", "Paint a picture, and answer when it is done.", self._generate,
            family=FAMILY, accepts={"application/json": ref("ImageTaskWishes")}, needs_body=True,
            gives=ref("ImageTaskResult"), headers=(header,), failure=ref("ImageTaskRefusal"),
            errors=(HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT),
        )  # fmt: skip

    channel = Channel(
        "imageTask", FAMILY, f"{SOCKETS}{{task_id}}", "How far a picture is; may be opened before it is asked for.",
        sends=(
            Said("imageTaskProgress", "ImageTaskProgress"), Said("imageTaskFailure", "ImageTaskFailure"),
            Said("imageTaskKeepAlive", "ImageTaskKeepAlive"), *said_to_clients("imageTask"),
        ),
        hears=(Said("imageTaskPing", "SocketPing"),),
        parameters={"task_id": "As the client has chosen it."},
        query=PLAIN_QUERY,
    )  # fmt: skip

    def door(self) -> DialectDoor:
        """Return the door of the sockets."""
        return DialectDoor(self._house, SOCKETS, self)

    @property
    def _client(self) -> Client:
        return self._house.clients[IMAGE.name]

    @asynccontextmanager
    async def admit(self, visitor: Visitor, name: str, after: Cursor | None) -> AsyncIterator[Program]:
        """Let in anybody: what is watched may not have begun; see `Family`."""
        if len(name) > LONGEST_TASK_ID:
            raise InvalidRequest(TASK_ID_TOO_LONG)
        key = f"{visitor.owner}\n{name}"
        if not self._watchers.enter(key):  # those of a picture that is not begun are counted nowhere else
            self._house.metrics.limit_met("watchers")
            raise exceeded("watchers", "too many watch this task: close some, or try again later")
        try:
            yield Program(speech_for(name), partial(self._starts.open, visitor, name, after))
        finally:
            self._watchers.leave(key)

    async def _generate(self, request: Request) -> Response:
        try:
            with self._house.connection(DOOR, request.scope) as place:  # first: nothing is begun that nobody waits for
                visitor = await self._house.doorkeeper.let_in(request)
                place.belong_to(visitor.owner)
                message = start_request(await read_object(request))
                started = await ask(self._client, "StartGeneration", message, visitor, "image")
                return await self._finished(request, visitor, started.generation.id)
        except HTTPException as error:
            return refusal(http_problem(error.status_code, error.detail), dict(error.headers or {}))
        except Exception as error:  # noqa: BLE001 - told in the words of this family
            problem = problem_of(error)
            self._house.metrics.errors.labels(DOOR, problem.code).inc()
            return refusal(problem)

    async def _finished(self, request: Request, visitor: Visitor, generation_id: str) -> Response:
        headers = {GENERATION: generation_id}
        match await until_ended(self._house, request, visitor, generation_id):
            case Waited.LATE:
                return refusal(still_running(generation_id, self._house.settings.answer_seconds), headers)
            case Waited.GONE:
                return nobody_listens()
        view = generation_pb2.GENERATION_VIEW_BASIC
        message: Any = IMAGE.request("GetGeneration")(generation_id=generation_id, view=view)
        standing = standing_of_generation((await ask(self._client, "GetGeneration", message, visitor)).generation)
        if standing.state != generation_pb2.STATE_SUCCEEDED:
            failure = standing.failure
            status = status_of_failure(failure.code)
            problem = Problem(failure.code, failure.message, status, 1011, details={"id": generation_id})
            return refusal(problem, headers)
        url = await self._address_of(request, visitor, generation_id)
        content = {"success": True, "image_url": url, "message": "The picture is painted"}
        return JSONResponse(content, headers={**headers, "Cache-Control": "no-store"})

    async def _address_of(self, request: Request, visitor: Visitor, generation_id: str) -> str:
        """Return an address that an `<img>` of the page which asks can show, for as long as the picture is kept.

        Without a secret there are no keys: then a ticket has to do, which is good once, for who cannot send a cookie.
        """
        doorkeeper = self._house.doorkeeper
        base = base_for(request.headers, request.url.scheme)
        address = doorkeeper.links.addresses_of(visitor.owner, base)(generation_id)
        if doorkeeper.required and not doorkeeper.links.have_keys and token_of(request.headers):
            with suppress(FabulaError):
                office = Client(TICKETS, self._house.channels[IMAGE.name])
                wanted: Any = TICKETS.request("CreateTicket")(generation_id=generation_id)
                address += f"?ticket={(await ask(office, 'CreateTicket', wanted, visitor)).ticket}"
        return address


def start_request(body: Mapping[str, Any]) -> Any:
    """Return what a body asks for. Raises `InvalidRequest`."""
    fields = Fields(body)
    task_id, prompt = fields.text("task_id"), fields.text("prompt")
    if len(task_id) > LONGEST_TASK_ID:
        raise InvalidRequest(TASK_ID_TOO_LONG, (("task_id", TASK_ID_TOO_LONG),))
    if not prompt:
        problem = "give a prompt: it says what the picture shows"
        raise InvalidRequest(problem, (("prompt", problem),))
    message: Any = IMAGE.request("StartGeneration")(request_id=request_id_of(task_id))
    image = message.image
    image.prompt, image.negative_prompt = prompt, fields.text("negative_prompt")
    if not fields.flag("use_generation", otherwise=True):
        problem = "is false: without generating there is no picture"
        raise InvalidRequest(f"use_generation {problem}", (("use_generation", problem),))
    image.use_refinement = fields.flag("use_refinement")
    image.high_quality = fields.flag("high_quality")
    for field, names in NUMBERS.items():
        number = fields.number(names)
        if number is not None:
            setattr(image, field, number)
    return message


def refusal(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer where there is no picture: what this family reads, and the error as it is told everywhere."""
    beside = {"success": False, "image_url": None, "message": problem.message}
    return problem.as_response(dict(headers or {}), beside)
