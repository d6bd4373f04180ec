"""What the commands do that are about characters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fabula.api.character.v1.character_pb2 import CharacterRequest, Source
from fabula.cli.calls import Commands
from fabula.cli.character_telling import sheet
from fabula.cli.exits import Exit
from fabula.cli.faces import FACES
from fabula.cli.files import read_file
from fabula.cli.output import put, say
from fabula.cli.rendering import standing
from fabula.cli.watching import to_json, view_of
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import CHARACTER

LARGEST_PICTURE_MIB = 10


@dataclass(frozen=True, slots=True)
class CharacterWishes:
    """What the command line asks for; None and empty mean that nothing was said."""

    description: str = ""
    picture: Path | None = None
    style: str | None = None
    language: str | None = None
    seed: int | None = None
    generate_avatar: bool | None = None

    def request(self) -> CharacterRequest:
        """Return the request.

        Raises:
            InvalidRequest: the picture cannot be read, or a number is out of range.
        """
        try:
            request = CharacterRequest(
                description=self.description,
                style=self.style or "",
                language=self.language or "",
                seed=self.seed,
                generate_avatar=self.generate_avatar,
            )
        except ValueError as error:  # protobuf's own: a number that its field cannot hold
            raise InvalidRequest(f"A number is out of range: {error}.") from error
        if self.picture is not None:
            name, data = read_file(self.picture, "--from", LARGEST_PICTURE_MIB)
            request.picture.CopyFrom(Source(name=name, data=data))
        return request


class CharacterCommands(Commands):
    """The commands for characters."""

    def make(self, wishes: CharacterWishes, request_id: str, *, watch: bool) -> Exit:
        """Start a character, and watch it."""
        answer = self.ask(CHARACTER, "StartGeneration", request_id=request_id, character=wishes.request())
        if not watch:
            return self.started(answer)
        id_ = answer.generation.id
        say(f"{id_} (Ctrl-C leaves it running)", only_people=True)
        return self.follow(id_, view_of(FACES["character"], as_json=self.as_json)).code

    def show(self, id_: str) -> Exit:
        """Print a character as it was made, or what there is of it so far."""
        answer = self.call("GetGeneration", id_)
        if self.as_json:
            put(to_json(answer))
            return Exit.SUCCESS
        generation = answer.generation
        say(f"{id_}: {standing(generation)}", only_people=True)
        if generation.HasField("failure"):
            say(f"Failed: {generation.failure.message} [{generation.failure.code}]", only_people=True)
        if text := sheet(answer.character):
            put(text)
        else:
            say(f"Nothing is decided yet; it is {standing(generation)}.")
        return Exit.SUCCESS
