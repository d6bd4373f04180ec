"""From the options of `fabula story` to a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fabula.api.story.v1.story_pb2 import Character, Source, StoryRequest
from fabula.cli.files import read_file
from fabula.engine.ids import is_generation_id
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import CHARACTER

LARGEST_SOURCE_MIB = 1


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for; None and empty mean that nothing was said."""

    premise: str = ""
    title: str | None = None
    genre: str | None = None
    tone: str | None = None
    audience: str | None = None
    language: str | None = None
    characters: Sequence[str] = ()
    words: int | None = None
    chapters: int | None = None
    instructions: str | None = None
    source: Path | None = None
    seed: int | None = None
    revisions: int | None = None
    temperature: float | None = None
    top_p: float | None = None

    def over(self, template: StoryRequest | None = None) -> StoryRequest:
        """Return the request: what is wished, over a template if there is one.

        Raises:
            InvalidRequest: something cannot be used; the message names the option.
        """
        request = StoryRequest()
        if template is not None:
            request.CopyFrom(template)
        try:
            self._fill(request)
        except ValueError as error:  # protobuf's own: a number that its field cannot hold
            raise InvalidRequest(f"A number is out of range: {error}.") from error
        return request

    def _fill(self, request: StoryRequest) -> None:
        if self.premise:
            request.premise = self.premise
        for name in _SAME_NAME:
            if (value := getattr(self, name)) is not None:
                setattr(request, name, value)
        if self.characters:
            del request.characters[:]
            request.characters.extend(parse_character(text) for text in self.characters)
        if self.source is not None:
            request.source.CopyFrom(read_source(self.source))
        if self.temperature is not None:
            request.sampling.temperature = self.temperature
        if self.top_p is not None:
            request.sampling.top_p = self.top_p


_SAME_NAME = (
    "title",
    "genre",
    "tone",
    "audience",
    "language",
    "words",
    "chapters",
    "instructions",
    "seed",
    "revisions",
)


def parse_character(text: str) -> Character:
    """Read `Name: description`, or the id of a character of the library; the description may be absent.

    Raises:
        InvalidRequest: there is no name.
    """
    name, _, description = text.partition(":")
    if is_generation_id(name.strip(), CHARACTER.name):
        return Character(id=name.strip(), description=description.strip())
    if not name.strip():
        raise InvalidRequest(f'--character {text!r} names nobody; write "Name: description".')
    return Character(name=name.strip(), description=description.strip())


def read_source(path: Path) -> Source:
    """Read the file that a story is made from; `-` is standard input. The service recognises its encoding.

    Raises:
        InvalidRequest: it cannot be read, is empty or too large.
    """
    name, data = read_file(path, "--source", LARGEST_SOURCE_MIB)
    return Source(name=name, data=data)
