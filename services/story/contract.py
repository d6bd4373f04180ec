"""What is special to stories on the server's side: what a request must be, and the templates."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import json_format

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.ids import is_generation_id
from fabula.engine.ports import Address, Blobs, EventLog, GenerationId, own_blobs
from fabula.errors import InvalidRequest, NotFound
from fabula.rpc.client import Caller
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import STORY, Kind
from fabula.rpc.stores import Call, Stores, StreamMethod, UnaryMethod
from services.story.codec import SOURCE_TYPE, StoryCodec, brief_from_message
from services.story.domain import Brief, Character, Order, SourceRef
from services.story.library import CALL_SECONDS, Library, is_character_id
from services.story.source import decode

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

_STORED = re.compile(r"story/([^/]+)/source-[0-9a-f]{16}")
"""What sources are called that were kept, see `_put`."""


class StoryContract:
    """Accepts stories. Implements `fabula.rpc.service.Contract`.

    Args:
        library: Where the characters are that requests name by their ids; None: there are none.
    """

    def __init__(self, library: Library | None = None) -> None:
        self._codec = ProtoCodec(STORY, StoryCodec())
        self._library = library

    @property
    def kind(self) -> Kind:
        """Stories."""
        return STORY

    @property
    def codec(self) -> ProtoCodec:
        """Their events."""
        return self._codec

    async def accept(self, call: Call, request: Any, address: Address, stores: Stores) -> Order:
        """Return the order in a request; its source text goes to the blobs."""
        story: pb.StoryRequest = request.story
        seed = int(hashlib.sha256(address.id.encode()).hexdigest()[:8], 16)
        brief = brief_from_message(story, seed=seed)
        brief = replace(brief, characters=await self._named(brief.characters, call, address, stores.log))
        if not story.HasField("source"):
            _check_premise(brief)
            return Order(brief)
        if story.source.WhichOneof("content") is None and story.source.HasField("stored"):
            return Order(brief, await _keep_again(story.source, address, stores))
        return Order(brief, await _keep(story.source, address, stores.blobs))

    def unary(self, _stores: Stores) -> Mapping[str, UnaryMethod]:
        """Return ListTemplates."""
        return {"ListTemplates": self._list_templates}

    def streaming(self, _stores: Stores) -> Mapping[str, StreamMethod]:
        """Return nothing: the common ones are all there are."""
        return {}

    async def _named(
        self, people: Sequence[Character], call: Call, address: Address, log: EventLog
    ) -> tuple[Character, ...]:
        """Return the people asked for, each with a name; those of the library must be there, and the caller's.

        Raises:
            InvalidRequest: one is not.
            Unavailable: the library does not answer while the caller waits.
        """
        _check_people(people)
        if not any(person.id for person in people):
            return tuple(people)
        if await log.last(address) is not None:
            # Accepted before: whoever asks again is not refused for what is gone since. The log has the names.
            return tuple(person if person.name else replace(person, name=person.id) for person in people)
        # One deadline for all of them, however many there are.
        until = asyncio.get_running_loop().time() + (call.caller.seconds(CALL_SECONDS) or 0.0)
        caller = replace(call.caller, deadline=until)
        found = tuple([await self._known(index, person, caller) for index, person in enumerate(people)])
        _check_names(found)
        return found

    async def _known(self, index: int, person: Character, caller: Caller) -> Character:
        if not person.id:
            return person
        unknown = _refusal(f"story.characters[{index}].id", "there is no such character in your library")
        if self._library is None:
            raise unknown
        try:
            found = await self._library.get(caller, person.id)
        except NotFound:
            raise unknown from None
        return replace(person, name=person.name or found.name)

    async def _list_templates(self, _call: Call, request: Any) -> pb.ListTemplatesResponse:
        start = _start(request.page_token)
        end = start + min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        found = templates()
        following = str(end) if end < len(found) else ""
        return pb.ListTemplatesResponse(templates=found[start:end], next_page_token=following)


@cache
def templates() -> Sequence[pb.Template]:
    """Return the templates, by name."""
    text = (files("services.story") / "templates.json").read_text("utf-8")
    listed = json_format.Parse(text, pb.ListTemplatesResponse())
    return sorted(listed.templates, key=lambda template: template.name)


def _start(token: str) -> int:
    if token and not (token.isascii() and token.isdigit()):
        problem = "not a page token: give `next_page_token` of the page before, as it was"
        raise _refusal("page_token", problem)
    return int(token or 0)


def _check_premise(brief: Brief) -> None:
    """Refuse a premise of which nothing is left without white space, in whatever sense of the word."""
    if not any(character.isprintable() and not character.isspace() for character in brief.premise):
        problem = "the premise says nothing: give one, or a source text"
        raise _refusal("story.premise", problem)


def _check_people(people: Sequence[Character]) -> None:
    """Refuse what is wrong whatever the library says."""
    first: dict[str, int] = {}
    for index, person in enumerate(people):
        here = f"story.characters[{index}]"
        if not person.name and not person.id:
            raise _refusal(
                f"{here}.name", "a character needs a name, or the id of one of your library: give one of them"
            )
        if not person.id:
            continue
        if not is_character_id(person.id):
            raise _refusal(
                f"{here}.id", "this is no character's id: it begins with `character-`, as ListCharacters has it"
            )
        if person.id in first:
            problem = f"the same character as story.characters[{first[person.id]}]: leave one of them out"
            raise _refusal(f"{here}.id", problem)
        first[person.id] = index
    _check_names(people)


def _check_names(people: Sequence[Character]) -> None:
    seen: set[str] = set()
    for index, person in enumerate(people):
        name = person.name.lower()
        if name in seen:
            problem = f"two characters are called {person.name!r}: give one of them another name"
            raise _refusal(f"story.characters[{index}].name", problem)
        seen.update([name] if name else [])


def _refusal(path: str, problem: str) -> InvalidRequest:
    return InvalidRequest(problem, ((path, problem),))


async def _keep(source: pb.Source, address: Address, blobs: Blobs) -> SourceRef:
    content = source.WhichOneof("content")
    if content is None or source.HasField("stored"):
        problem = "give the source as text or data, or as `stored` of one of your stories"
        raise _refusal("story.source", problem)
    data = decode(source.text.encode() if content == "text" else source.data).encode()
    return await _put(source.name, data, address, blobs)


async def _keep_again(source: pb.Source, address: Address, stores: Stores) -> SourceRef:
    """Keep the source of another story of the same owner once more: that story may be deleted before this one."""
    unknown = "there is no such source in your stories: give the text itself"
    refused = InvalidRequest(unknown, (("story.source.stored", unknown),))
    name = source.stored.name
    found = _STORED.fullmatch(name)
    if found is None or not is_generation_id(found[1], STORY.name):
        raise refused
    owned = Address(STORY.name, address.owner, GenerationId(found[1]))
    if await stores.log.last(owned) is None:
        raise refused
    try:
        data = await stores.blobs.get(name)
    except NotFound:
        raise refused from None
    return await _put(source.name, data, address, stores.blobs)


async def _put(label: str, data: bytes, address: Address, blobs: Blobs) -> SourceRef:
    digest = hashlib.sha256(data).hexdigest()
    # The digest in the name keeps a second request with the same id from replacing the first one's source.
    info = await blobs.put(f"{own_blobs(address)}source-{digest[:16]}", data, SOURCE_TYPE)
    return SourceRef(label, info.name, info.size_bytes, info.sha256)
