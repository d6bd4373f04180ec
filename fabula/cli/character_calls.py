"""What the commands do that are about characters."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fabula.api.character.v1.character_pb2 import CharacterRequest, Source
from fabula.cli.calls import Commands
from fabula.cli.character_telling import name_of, sheet
from fabula.cli.exits import Exit
from fabula.cli.faces import FACES
from fabula.cli.files import read_file
from fabula.cli.image_calls import ImageCommands, Output
from fabula.cli.output import put, put_text, say
from fabula.cli.rendering import standing
from fabula.cli.saving import STANDARD_OUTPUT, name_for, refuse_existing
from fabula.cli.watching import to_json, view_of
from fabula.errors import InvalidRequest, Unavailable
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


def _check(wishes: CharacterWishes, output: Output, *, watch: bool) -> None:
    """Refuse what could not be saved in the end, before the work is begun."""
    if output.file is None:
        return
    if not watch or wishes.generate_avatar is False:
        given = "--no-watch" if not watch else "--no-avatar"
        raise InvalidRequest(f"There is no avatar to save with {given}: leave one of the two out.")
    if output.file == STANDARD_OUTPUT:
        raise InvalidRequest("Standard output has the character: give -o a file's name for its avatar.")
    refuse_existing([output.file], force=output.force)


class CharacterCommands(Commands):
    """The commands for characters."""

    def make(self, wishes: CharacterWishes, output: Output, request_id: str, *, watch: bool) -> Exit:
        """Start a character, watch it, then its avatar, and save that."""
        _check(wishes, output, watch=watch)
        answer = self.ask(CHARACTER, "StartGeneration", request_id=request_id, character=wishes.request())
        if not watch:
            return self.started(answer)
        id_ = answer.generation.id
        say(f"{id_} (Ctrl-C leaves it running)", only_people=True)
        followed = self.follow(id_, view_of(FACES["character"], as_json=self.as_json))
        if followed.code is Exit.SUCCESS and (output.file is not None or not self.as_json):
            return self._avatar(followed.last.character, output)
        return followed.code

    def _avatar(self, character: Any, output: Output) -> Exit:
        """Watch the avatar of a character that is done, and save it. The character is there whatever becomes of it."""
        avatar = character.avatar.generation_id
        if not avatar:
            return Exit.SUCCESS
        file = output.file or name_for(name_of(character.details), "png", 1)
        label = "Avatar: " if sys.stdout.isatty() else "\nAvatar: "  # behind a text that ends a file
        output = replace(output, file=file, quiet=output.quiet or self.as_json, label=label)
        sys.stdout.flush()
        images = ImageCommands(self.servers.elsewhere(), as_json=self.as_json)
        try:
            code = images.await_avatar(avatar, output)
        except Unavailable as error:
            say(f"{error.message}\nThe avatar is painted when it does; then: fabula show {avatar} -o {file}")
            return Exit.SUCCESS
        if code is Exit.FAILED:
            say(f"The character is done all the same. Once more with: fabula characters repaint {character.id}")
            return Exit.SUCCESS
        return code

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
            put_text(text)
        else:
            say(f"Nothing is decided yet; it is {standing(generation)}.")
        return Exit.SUCCESS
