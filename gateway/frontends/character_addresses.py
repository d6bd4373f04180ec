"""The addresses of family C: a character is begun, looked at, kept or thrown away, and its avatar painted again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import Conflict, InvalidRequest
from fabula.rpc.client import Client
from fabula.rpc.kinds import CHARACTER
from gateway.collection import collection_of
from gateway.dialects.character_content import AddressOf, character_content
from gateway.dialects.character_sessions import COMPLETED
from gateway.dialects.standing import standing_of_generation
from gateway.dialects.times import iso
from gateway.frontends.character_places import character_id_of, session_id_of
from gateway.frontends.requests import Body, read_body, request_id_of
from gateway.house import House
from gateway.identity import Visitor
from gateway.operations import Operation, Parameter
from gateway.origin import base_for
from gateway.payloads.character_sessions import WISHES_FORM
from gateway.payloads.schema import ref
from gateway.queries import whole_number
from gateway.single_calls import LARGEST_PAGE, PAGE, ask

FAMILY = "C: automated characters"
PATH = "/api/v1/characters"
STARTED = "Character generation has started"
_NAMES = MappingProxyType({"picture.data": "image"})
"""What these front ends call what can be wrong with a wish."""

_NO_STORE = {"Cache-Control": "no-store"}

_GONE = (HTTPStatus.NOT_FOUND,)
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_QUERY = Parameter(
    "query", "Only those in whose names or looks all of these words occur.", {"type": "string", "maxLength": 200}
)
_OF_ONE = (
    "getCharacterSession", "discardCharacterSession", "retryCharacterSession", "cancelCharacterSession",
    "readCharacter", "removeCharacter", "keepCharacter", "getAvatar", "paintAvatarAnew",
)  # fmt: skip
"""What takes the id of a session, which is good for a character's as well."""


class CharacterAddresses:
    """Answers them.

    Args:
        house: The inside of the gateway; there are characters in it.
        avatar_begun: Told the owner and the character of which a new avatar is being painted.
    """

    def __init__(self, house: House, avatar_begun: Callable[[str, str], None]) -> None:
        self._house = house
        self._avatar_begun = avatar_begun
        self._most_bytes = collection_of(CHARACTER).most_body_bytes

    def operations(self) -> Iterable[Operation]:
        """Yield what is done at them."""
        yield from self._of_sessions(f"{PATH}/generate-automated", f"{PATH}/generate-automated/{{id}}")
        yield from self._of_characters(f"{PATH}/{{id}}")

    def _of_sessions(self, begin: str, session: str) -> Iterable[Operation]:
        begun: dict[str, Any] = {
            "family": FAMILY, "status": HTTPStatus.ACCEPTED, "gives": ref("CharacterStarted"),
            "links": tuple((name, "$response.body#/sessionId") for name in _OF_ONE),
        }  # fmt: skip
        yield Operation(
            "POST", begin, "generateCharacter", "Make a character of a line, of a picture, or of both.", self._start,
            accepts={"multipart/form-data": WISHES_FORM, "application/json": ref("CharacterWishes")},
            errors=(HTTPStatus.CONFLICT,), **begun,
        )  # fmt: skip
        yield Operation(
            "GET", session, "getCharacterSession", "Where a session stands.", self._standing,
            family=FAMILY, gives=ref("CharacterStanding"), errors=_GONE,
        )  # fmt: skip
        yield Operation(
            "DELETE", session, "discardCharacterSession", "Discard what a session has made.", self._discard,
            family=FAMILY, status=HTTPStatus.NO_CONTENT, errors=_REFUSED,
        )  # fmt: skip
        yield Operation(
            "POST", f"{session}/retry", "retryCharacterSession", "Retry from the stage that failed.", self._retry,
            errors=_REFUSED, **begun,
        )  # fmt: skip
        yield Operation(
            "POST", f"{session}/cancel", "cancelCharacterSession", "Cancel a session.", self._cancel,
            errors=_REFUSED, **begun,
        )  # fmt: skip

    def _of_characters(self, one: str) -> Iterable[Operation]:
        sheet: dict[str, Any] = {"family": FAMILY, "gives": ref("CharacterKept")}
        avatar: dict[str, Any] = {"family": FAMILY, "gives": ref("CharacterAvatar")}
        yield Operation(
            "GET", PATH, "listOwnCharacters", "Your library, newest first.", self._list,
            family=FAMILY, gives=ref("CharacterList"), parameters=(*PAGE, _QUERY),
        )  # fmt: skip
        yield Operation("GET", one, "readCharacter", "A character's sheet.", self._get, errors=_GONE, **sheet)
        yield Operation(
            "DELETE", one, "removeCharacter", "Discard a character; one that is being made is cancelled.",
            self._discard, family=FAMILY, status=HTTPStatus.NO_CONTENT, errors=_REFUSED,
        )  # fmt: skip
        yield Operation(
            "POST", f"{one}/save", "keepCharacter", "Keep it for good.", self._save, errors=_REFUSED, **sheet
        )
        yield Operation(
            "GET", f"{one}/avatar", "getAvatar", "How its avatar is doing.", self._get_avatar, errors=_GONE, **avatar
        )
        yield Operation(
            "POST", f"{one}/regenerate-avatar", "paintAvatarAnew", "Have a new avatar painted.",
            self._regenerate_avatar, status=HTTPStatus.ACCEPTED, errors=_REFUSED, **avatar,
        )  # fmt: skip

    @property
    def _client(self) -> Client:
        return self._house.clients[CHARACTER.name]

    # --- the session ---------------------------------------------------------------------------------------------

    async def _start(self, request: Request) -> Response:
        visitor = await self._visitor(request)
        message = start_request(await read_body(request, self._most_bytes))
        return _begun(
            (await ask(self._client, "StartGeneration", message, visitor, "character", names=_NAMES)).generation
        )

    async def _retry(self, request: Request) -> Response:
        return _begun((await self._of_generation("RetryGeneration", request)).generation)

    async def _cancel(self, request: Request) -> Response:
        return _begun((await self._of_generation("CancelGeneration", request)).generation, "It is being cancelled")

    async def _standing(self, request: Request) -> Response:
        """Tell where a session stands, for who cannot hold a socket open."""
        found = await self._of_generation("GetGeneration", request)
        standing = standing_of_generation(found.generation)
        made = found.character if found.character.id else None
        completed = standing.state == generation_pb2.STATE_SUCCEEDED
        content = {
            "sessionId": session_id_of(found.generation.id),
            "status": standing.status,
            "progress": int(standing.progress.fraction * 100),
            "message": COMPLETED if completed else standing.progress.message or standing.failure.message,
            "characterId": made.id if made else None,
            "error": standing.failure.message or None,
            "updatedAt": iso(found.generation.update_time),
        }
        return JSONResponse(content, headers=_NO_STORE)

    # --- the character -------------------------------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        visitor = await self._visitor(request)
        query = request.query_params
        fields: dict[str, Any] = {"page_size": whole_number("pageSize", query.get("pageSize"), LARGEST_PAGE) or 0}
        message = CHARACTER.request("ListCharacters")(
            **fields, page_token=query.get("pageToken", ""), query=query.get("query", "")
        )
        response = await ask(self._client, "ListCharacters", message, visitor)
        characters = [
            character_content(character, self._addresses_for(visitor, request)) for character in response.characters
        ]
        content = {"characters": characters, "nextPageToken": response.next_page_token or None}
        return JSONResponse(content, headers=_NO_STORE)

    async def _get(self, request: Request) -> Response:
        return _sheet(await self._content("GetCharacter", request))

    async def _save(self, request: Request) -> Response:
        return _sheet(await self._content("SaveCharacter", request))

    async def _discard(self, request: Request) -> Response:
        """Remove a character and the generation that made it; one that still goes on is cancelled first."""
        try:
            await self._of_character("DiscardCharacter", request)
        except Conflict:
            await self._of_generation("CancelGeneration", request)
            await self._of_character("DiscardCharacter", request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _get_avatar(self, request: Request) -> Response:
        return _avatar(await self._content("GetCharacter", request))

    async def _regenerate_avatar(self, request: Request) -> Response:
        visitor = await self._visitor(request)
        content = await self._content("RegenerateAvatar", request)
        self._avatar_begun(visitor.owner, content["id"])
        return _avatar(content, HTTPStatus.ACCEPTED)

    async def _content(self, rpc: str, request: Request) -> dict[str, Any]:
        """Return a character as front ends read it."""
        visitor = await self._visitor(request)
        found = await self._of_character(rpc, request)
        return character_content(found.character, self._addresses_for(visitor, request))

    def _addresses_for(self, visitor: Visitor, request: Request) -> AddressOf:
        return self._house.doorkeeper.links.addresses_of(visitor.owner, base_for(request.headers, request.url.scheme))

    async def _visitor(self, request: Request) -> Visitor:
        return await self._house.doorkeeper.let_in(request)

    async def _of_generation(self, rpc: str, request: Request) -> Any:
        visitor = await self._visitor(request)
        fields: dict[str, Any] = {"generation_id": character_id_of(request.path_params["id"])}
        return await ask(self._client, rpc, CHARACTER.request(rpc)(**fields), visitor)

    async def _of_character(self, rpc: str, request: Request) -> Any:
        visitor = await self._visitor(request)
        fields: dict[str, Any] = {"character_id": character_id_of(request.path_params["id"])}
        return await ask(self._client, rpc, CHARACTER.request(rpc)(**fields), visitor)


def start_request(body: Body) -> Any:
    """Return what a form asks for: `description`, a picture in the part `image`, or both.

    Raises:
        InvalidRequest: there is neither.
    """
    fields: dict[str, Any] = {"request_id": request_id_of(body.text("requestId"))}
    message: Any = CHARACTER.request("StartGeneration")(**fields)
    character = message.character
    character.description, character.style = body.text("description"), body.text("style")
    if image := body.files.get("image"):
        if not image.data:
            raise InvalidRequest("the picture is empty", (("image", "is empty"),))
        character.picture.name, character.picture.data = image.name[:255], image.data
    elif not character.description:
        problem = "give a description, a picture in the part 'image', or both"
        raise InvalidRequest(problem, (("description", problem), ("image", problem)))
    return message


def _begun(generation: Any, message: str = STARTED) -> Response:
    content = {"sessionId": session_id_of(generation.id), "message": message}
    return JSONResponse(content, HTTPStatus.ACCEPTED, _NO_STORE)


def _sheet(content: dict[str, Any]) -> Response:
    return JSONResponse({"character": content}, headers=_NO_STORE)


def _avatar(content: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    kept = ("avatarJobId", "avatarStatus", "avatarUrl")
    return JSONResponse(
        {"characterId": content["id"], **{name: content[name] for name in kept}}, status, headers=_NO_STORE
    )
