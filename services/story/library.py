"""The library of characters as stories see it: a service of its own, asked over gRPC on behalf of the story's owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fabula.errors import FabulaError, PermissionDenied, Unauthenticated, Unavailable
from fabula.rpc.client import Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import CHARACTER
from fabula.rpc.tls import Tls
from services.story.domain import Character

CALL_SECONDS = 5.0
"""Deadline of a call: who asks for a story waits for it."""

LONGEST_HISTORY = 6000
"""Characters of a history that go into a story, as of one that a request brings: twelve must fit into one event."""

SILENT = "the library of characters does not answer: try again"
FOREIGN = "the library of characters does not know this service: FABULA_JWT_SECRET must be the same for both"

_PRONOUNS = {
    **dict.fromkeys(("woman", "girl", "female"), "She is"),
    **dict.fromkeys(("man", "boy", "male"), "He is"),
}


class Library(Protocol):
    """Where characters are kept."""

    async def get(self, owner: str, id_: str) -> Character:
        """Return an owner's character as it now is.

        Raises:
            NotFound: there is no such character, or it is another's.
            Unavailable: the library does not answer.
        """
        ...


class RemoteLibrary:
    """The library behind the character service. Implements `Library`.

    Args:
        client: Speaks to the service.
        issuer: Mints the tokens of the owners whose stories are written.
    """

    def __init__(self, client: Client, issuer: Issuer) -> None:
        self._client = client
        self._issuer = issuer

    async def get(self, owner: str, id_: str) -> Character:
        """Ask the service."""
        request = CHARACTER.request("GetCharacter")(character_id=id_)
        try:
            answer = await self._client.call("GetCharacter", request, self._issuer.caller(owner), CALL_SECONDS)
        except Unavailable:
            raise Unavailable(SILENT) from None
        except (Unauthenticated, PermissionDenied):
            raise FabulaError(FOREIGN) from None
        return person_of(answer.character)


@asynccontextmanager
async def open_library(address: str, issuer: Issuer, tls: Tls | None = None) -> AsyncIterator[RemoteLibrary]:
    """Open the way to the library. Connects at the first call.

    Args:
        address: Where the character server is, `HOST:PORT`.
        issuer: Mints the tokens.
        tls: Whom to believe that they are the server; None: it is asked in the clear.
    """
    async with open_channel(address, tls) as channel:
        yield RemoteLibrary(Client(CHARACTER, channel), issuer)


def person_of(character: Any) -> Character:
    """Return a character of the library as a person of a story."""
    details = character.details
    human = details.species.casefold() == "human"
    what = details.profession if human else details.species
    beside = "" if human else f", {details.profession}"
    article = "an" if what[:1].lower() in tuple("aeiou") else "a"
    traits = list(details.traits)
    manner = " and ".join([", ".join(traits[:-1]), traits[-1]] if len(traits) > 1 else traits)
    pronoun = _PRONOUNS.get(details.gender.casefold(), "They are")
    sentences = [
        f"{article} {what} of {details.age} years{beside}.",
        f"{pronoun} {manner}." if manner else "",
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


def _beginning(history: str) -> str:
    return history if len(history) <= LONGEST_HISTORY else f"{history[: LONGEST_HISTORY - 1].rstrip()}…"
