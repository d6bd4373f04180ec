"""The library of characters as stories see it: a service of its own, asked over gRPC on behalf of the story's owner."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from fabula.engine.ids import is_generation_id
from fabula.errors import FabulaError, PermissionDenied, Unauthenticated, Unavailable
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import CHARACTER
from fabula.rpc.tls import Tls
from services.story.domain import Character

CALL_SECONDS = 5.0
"""Longest wait for the library: somebody waits for the answer, or a worker tries again."""

LONGEST_HISTORY = 6000
"""Characters of a history that go into a story, as of one that a request brings: twelve must fit into one event."""

SILENT = "the library of characters does not answer: try again"
FOREIGN = "the library of characters does not know this service: FABULA_JWT_SECRET must be the same for both"

_PRONOUNS = {
    **dict.fromkeys(("woman", "girl", "female"), "She"),
    **dict.fromkeys(("man", "boy", "male"), "He"),
}
_SPOKEN_OF = re.compile(r"^(She|He|They|It|Her|His|Their|Its)\b")
_SUBJECTS = {"Her": "She", "His": "He", "Their": "They", "Its": "It"}


class Library(Protocol):
    """Where characters are kept."""

    async def get(self, caller: Caller, id_: str) -> Character:
        """Return a character as it now is.

        Args:
            caller: Whose library it is, until when they wait, and in which trace.
            id_: The character's id.

        Raises:
            NotFound: the caller has no such character.
            Unavailable: the library does not answer, or not in time.
        """
        ...


class RemoteLibrary:
    """The library behind the character service. Implements `Library`.

    Args:
        client: Speaks to the service.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, caller: Caller, id_: str) -> Character:
        """Ask the service."""
        request = CHARACTER.request("GetCharacter")(character_id=id_)
        try:
            answer = await self._client.call("GetCharacter", request, caller, CALL_SECONDS)
        except Unavailable:
            raise Unavailable(SILENT) from None
        except (Unauthenticated, PermissionDenied):
            raise FabulaError(FOREIGN) from None
        return person_of(answer.character)


@asynccontextmanager
async def open_library(address: str, tls: Tls | None = None) -> AsyncIterator[RemoteLibrary]:
    """Open the way to the library. Connects at the first call.

    Args:
        address: Where the character server is, `HOST:PORT`.
        tls: Whom to believe that they are the server; None: it is asked in the clear.
    """
    async with open_channel(address, tls) as channel:
        yield RemoteLibrary(Client(CHARACTER, channel))


def is_character_id(text: str) -> bool:
    """Whether `text` has the form of an id of the library."""
    return is_generation_id(text, CHARACTER.name)


def person_of(character: Any) -> Character:
    """Return a character of the library as a person of a story."""
    details = character.details
    human = details.species.casefold() == "human"
    what = details.profession if human else details.species
    beside = "" if human else f", {details.profession}"
    article = "an" if what[:1].lower() in tuple("aeiou") else "a"
    traits = list(details.traits)
    manner = " and ".join([", ".join(traits[:-1]), traits[-1]] if len(traits) > 1 else traits)
    they = _pronoun(details)
    told = all(trait.casefold() in details.personality.casefold() for trait in traits)
    sentences = [
        f"{article} {what} of {_age(details.age)}{beside}.",
        f"{they} {'are' if they == 'They' else 'is'} {manner}." if manner and not told else "",
        details.personality,
        f"Lives {details.home}." if details.home else "",
        f"Wants {details.goal}." if details.goal else "",
        f"Fears {details.fear}." if details.fear else "",
    ]
    return Character(
        name=f"{details.first_name} {details.last_name}".strip(),
        description=" ".join(sentence for sentence in sentences if sentence),
        id=character.id,
        looks=details.physical_description,
        history=_beginning(character.history),
    )


def called(person: Character, name: str) -> Character:
    """Return a person by another name, in all that is told of them."""
    if person.name == name:
        return person
    first, new = person.name.split()[:1], name.split()[:1]
    names = {person.name: name, **dict(zip(first, new, strict=False))}
    known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")

    def renamed(text: str) -> str:
        return known.sub(lambda found: names[found[0]], text)

    return replace(
        person,
        name=name,
        description=renamed(person.description),
        looks=renamed(person.looks),
        history=_beginning(renamed(person.history)),
    )


def _pronoun(details: Any) -> str:
    """Return the pronoun that the library's own sentences have, else that of the gender."""
    for text in (details.personality, details.physical_description):
        if found := _SPOKEN_OF.match(text):
            return _SUBJECTS.get(found[1], found[1])
    return _PRONOUNS.get(details.gender.casefold(), "They")


def _age(years: int) -> str:
    return "less than a year" if years == 0 else "1 year" if years == 1 else f"{years} years"


def _beginning(history: str) -> str:
    return history if len(history) <= LONGEST_HISTORY else f"{history[: LONGEST_HISTORY - 1].rstrip()}…"
