"""The addresses of family B: a text file is uploaded, a story made of it, read back, listed and made again."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import Conflict, InvalidRequest, NotFound
from fabula.rpc.client import Client
from fabula.rpc.kinds import STORY, kind_of
from gateway.collection import collection_of
from gateway.dialects.standing import standing_of_generation
from gateway.dialects.times import iso
from gateway.frontends.requests import Body, read_body, request_id_of
from gateway.house import House
from gateway.identity import Visitor
from gateway.operations import Operation, Parameter
from gateway.payloads.schema import ref
from gateway.payloads.story_rooms import UPLOAD_FORM
from gateway.queries import whole_number
from gateway.single_calls import LARGEST_PAGE, PAGE, ask

FAMILY = "B: stories over Socket.IO"
PATH = "/api/v1/stories"

_LOCATION = Parameter("Location", "Where the story can be read.", {"type": "string"}, "header")
_NAMES = MappingProxyType({"source.data": "file", "source.text": "text", "instructions": "customPrompt"})
"""What these front ends call what can be wrong with a story."""

_OF_ONE = ("readStory", "removeStory", "generateStoryAgain", "cancelStory")


class StoryAddresses:
    """Answers them.

    Args:
        house: The inside of the gateway; there are stories in it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._most_bytes = collection_of(STORY).most_body_bytes

    def operations(self) -> Iterable[Operation]:
        """Yield what is done at them."""
        one, gone, refused = f"{PATH}/{{id}}", (HTTPStatus.NOT_FOUND,), (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
        begun: dict[str, Any] = {
            "family": FAMILY, "status": HTTPStatus.ACCEPTED, "gives": ref("StorySummary"), "headers": (_LOCATION,),
            "links": tuple((name, "$response.body#/storyId") for name in _OF_ONE),
        }  # fmt: skip
        yield Operation(
            "POST", PATH, "uploadStory", "Make a story of a text.", self._start, errors=(HTTPStatus.CONFLICT,),
            accepts={"multipart/form-data": UPLOAD_FORM, "application/json": ref("StoryUpload")}, **begun,
        )  # fmt: skip
        yield Operation(
            "GET", PATH, "listUploadedStories", "Your stories in short, newest first.", self._list,
            family=FAMILY, gives=ref("StoryList"), parameters=PAGE,
        )  # fmt: skip
        yield Operation(
            "GET", one, "readStory", "A story, as far as it is.", self._get,
            family=FAMILY, gives=ref("StorySheet"), errors=gone,
        )  # fmt: skip
        yield Operation(
            "DELETE", one, "removeStory", "Delete a story.", self._delete,
            family=FAMILY, status=HTTPStatus.NO_CONTENT, errors=refused,
        )  # fmt: skip
        yield Operation(
            "POST", f"{one}/generate", "generateStoryAgain", "Make a story again; a failed one goes on.",
            self._generate, errors=refused, **begun,
        )  # fmt: skip
        yield Operation(
            "POST", f"{one}/cancel", "cancelStory", "Cancel a story.", self._cancel,
            family=FAMILY, gives=ref("StorySummary"), errors=refused,
        )  # fmt: skip

    @property
    def _client(self) -> Client:
        return self._house.clients[STORY.name]

    async def _start(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        message = start_request(await read_body(request, self._most_bytes))
        return _begun((await ask(self._client, "StartGeneration", message, visitor, "story", names=_NAMES)).generation)

    async def _generate(self, request: Request) -> Response:
        """Make a story again: a failed one goes on where it failed, of any other a new one is made."""
        visitor = await self._house.doorkeeper.let_in(request)
        found = await self._call("GetGeneration", request, visitor)
        state = found.generation.state
        if state == generation_pb2.STATE_FAILED:
            return _begun((await self._call("RetryGeneration", request, visitor)).generation)
        if state not in {generation_pb2.STATE_SUCCEEDED, generation_pb2.STATE_CANCELLED}:
            raise Conflict("this story is being generated: wait for it, or cancel it", id=found.generation.id)
        message: Any = STORY.request("StartGeneration")(story=found.request)
        message.story.ClearField("seed")
        return _begun((await ask(self._client, "StartGeneration", message, visitor, "story")).generation)

    async def _get(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        found = await self._call("GetGeneration", request, visitor)
        content = {
            **summary_of(found.generation),
            "customPrompt": found.request.instructions or None,
            "fileName": found.request.source.name or None,
            "generatedTitle": found.story.title or None,
            "generatedContent": found.story.text or None,
            "generatedWordCount": found.story.word_count or None,
        }
        return JSONResponse(content, headers=_NO_STORE)

    async def _list(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        query = request.query_params
        size = whole_number("pageSize", query.get("pageSize"), LARGEST_PAGE) or 0
        message: Any = STORY.request("ListGenerations")(
            page_size=size,
            page_token=query.get("pageToken", ""),
        )
        response = await ask(self._client, "ListGenerations", message, visitor)
        stories = [summary_of(generation) for generation in response.generations]
        content = {"stories": stories, "nextPageToken": response.next_page_token or None}
        return JSONResponse(content, headers=_NO_STORE)

    async def _delete(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        await self._call("DeleteGeneration", request, visitor)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _cancel(self, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        generation = (await self._call("CancelGeneration", request, visitor)).generation
        return JSONResponse(summary_of(generation), headers=_NO_STORE)

    async def _call(self, rpc: str, request: Request, visitor: Visitor) -> Any:
        story_id = request.path_params["id"]
        if kind_of(story_id) is not STORY:
            raise NotFound("there is no such story", id=story_id)
        message: Any = STORY.request(rpc)(generation_id=story_id)
        return await ask(self._client, rpc, message, visitor)


_NO_STORE = {"Cache-Control": "no-store"}


def start_request(body: Body) -> Any:
    """Return what an upload asks for: the part `file`, or the text in `text`; `title` and `customPrompt` if they like.

    Raises:
        InvalidRequest: there is no text to make a story of.
    """
    message: Any = STORY.request("StartGeneration")(request_id=request_id_of(body.text("requestId")))
    story = message.story
    story.title, story.instructions = body.text("title"), body.text("customPrompt", "custom_prompt")
    text = body.text("text", "content")
    if upload := body.files.get("file"):
        if not upload.data:
            raise InvalidRequest("the file is empty", (("file", "is empty"),))
        story.source.name, story.source.data = upload.name[:255], upload.data
    elif text:
        story.source.text = text
    else:
        problem = "give a text file in the part 'file'"
        raise InvalidRequest(problem, (("file", problem),))
    return message


def summary_of(generation: generation_pb2.Generation) -> dict[str, Any]:
    """Return a story in short, as lists show it."""
    standing = standing_of_generation(generation)
    return {
        "storyId": generation.id,
        "title": generation.title or None,
        "status": standing.status,
        "error": standing.failure.message or None,
        "createdAt": iso(generation.create_time),
        "updatedAt": iso(generation.update_time),
        "cursor": generation.last_sequence,
    }


def _begun(generation: generation_pb2.Generation) -> Response:
    headers = {**_NO_STORE, "Location": f"{PATH}/{generation.id}"}
    return JSONResponse(summary_of(generation), HTTPStatus.ACCEPTED, headers)
