"""What families A and D ask of stories, in whatever names their front ends have for it. Pure.

Names are read without regard to case and underscores: `targetAudience` is `target_audience`. What is not known here is
ignored; what is known and makes no sense is refused, by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fabula.errors import InvalidRequest, NotFound
from fabula.rpc.kinds import STORY
from fabula.rpc.validation import most_items
from gateway.frontends.character_places import character_id_of
from gateway.frontends.requests import request_id_of

PREMISE = (
    "premise", "story_premise", "topic", "idea", "story_idea", "prompt", "story_prompt", "user_prompt", "input",
    "content", "text", "description", "synopsis", "summary", "plot", "concept", "query", "message",
)  # fmt: skip
INSTRUCTIONS = ("instructions", "custom_prompt", "guidelines", "style", "prompt")
"""Where a premise is given as well, a prompt is what the author is told beside it."""
TEXTS = {
    "title": ("title",),
    "genre": ("genre",),
    "tone": ("tone", "mood"),
    "audience": ("audience", "target_audience", "age_group"),
    "language": ("language", "lang", "locale"),
}
WORDS = (
    "length", "story_length", "target_length", "desired_length",
    "words", "word_count", "target_words", "target_word_count", "num_words", "number_of_words", "max_words",
)  # fmt: skip
CHAPTERS = ("chapters", "chapter_count", "num_chapters", "number_of_chapters")
REVISIONS = ("revisions", "max_retries", "max_revisions")
CHARACTERS = ("characters", "cast", "character", "character_names", "main_characters")
CHARACTER_IDS = ("character_ids", "character_id")
"""Ids of the library, and nothing else: those beside `CHARACTERS` come after them."""

LENGTHS = {"tiny": 100, "short": 300, "medium": 800, "long": 2000, "very long": 4000}
"""Lengths that are named, in words."""
LEAST_WORDS_OF_A_CHAPTER = 50
"""As the contract has it: many chapters make a short story longer."""
MOST_CHAPTERS = 40
"""As the contract has it: with more the story is refused, whatever its length."""
MOST_CHARACTERS = most_items(STORY.message("StoryRequest").DESCRIPTOR.fields_by_name["characters"])
"""As the contract has it: of longer lists nothing is read."""

ABOUT = ("description", "bio", "summary", "role", "personality", "traits")
"""What is said of a character, in whatever order."""


def start_request(body: Mapping[str, Any], request_id: str = "") -> Any:
    """Return what a body asks for.

    Args:
        body: A JSON object.
        request_id: Given beside it, as an `Idempotency-Key`; it goes before the one in the body.

    Raises:
        InvalidRequest: a field makes no sense.
    """
    fields = Fields(body)
    message: Any = STORY.request("StartGeneration")(request_id=request_id or request_id_of(fields.text("request_id")))
    story = message.story
    name, story.premise = fields.first_text(PREMISE)
    if not story.premise:
        raise _refusal("prompt", "is needed: it says what the story is about")
    story.instructions = fields.first_text(tuple(each for each in INSTRUCTIONS if each != name))[1]
    for field, names in TEXTS.items():
        setattr(story, field, fields.first_text(names)[1])
    for field, names in (("chapters", CHAPTERS), ("revisions", REVISIONS), ("seed", ("seed",))):
        number = fields.number(names)
        if number is not None:
            setattr(story, field, number)
    words = _words(fields, story.chapters)
    if words is not None:
        story.words = words
    story.characters.extend(_characters(fields))
    return message


class Fields:
    """The fields of a body, by any spelling of their names."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._values = {_plain(name): value for name, value in reversed(tuple(body.items())) if value is not None}

    def get(self, names: Sequence[str]) -> tuple[str, Any]:
        """Return the first of these fields that is given, with its name; None if none is."""
        return next(((name, self._values[_plain(name)]) for name in names if _plain(name) in self._values), ("", None))

    def text(self, *names: str) -> str:
        """Return the first of these that is given and not empty, as text; empty if there is none."""
        return self.first_text(names)[1]

    def first_text(self, names: Sequence[str]) -> tuple[str, str]:
        """Return the name and the text of the first of these that is given and not empty. Raises `InvalidRequest`."""
        for name in names:
            found, value = self.get((name,))
            if found and not isinstance(value, str):
                raise _refusal(name, "must be text")
            if found and value.strip():
                return name, value.strip()
        return "", ""

    def number(self, names: Sequence[str]) -> int | None:
        """Return the first of these that is given, as a whole number. Raises `InvalidRequest`."""
        name, value = self.get(names)
        if not name or value == "":
            return None
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
            raise _refusal(name, "must be a whole number")
        return value

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """Return whether a switch is set. Raises `InvalidRequest`."""
        _, value = self.get((name,))
        if value is None or value == "":
            return otherwise
        text = str(value).strip().lower()
        if text not in _SWITCH:
            raise _refusal(name, "must be true or false")
        return _SWITCH[text]


_SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _refusal(name: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{name} {problem}", ((name, problem),))


def _words(fields: Fields, chapters: int) -> int | None:
    """Return the wanted length: a number, "500 words", or a length by name."""
    name, value = fields.get(WORDS)
    if not isinstance(value, str) or value.strip().isdigit():
        return fields.number(WORDS)
    text = " ".join(value.lower().replace("_", " ").replace("-", " ").split())
    if not text:
        return None
    if found := re.fullmatch(r"(?:about |~ ?)?([0-9]{1,6}) ?(?:words?|w)", text):
        return int(found[1])
    text = text.removesuffix(" story")
    if text not in LENGTHS:
        raise _refusal(name, f"must be a number of words, or one of: {', '.join(LENGTHS)}")
    return max(LENGTHS[text], min(chapters, MOST_CHAPTERS) * LEAST_WORDS_OF_A_CHAPTER)


def _characters(fields: Fields) -> list[Any]:
    named = [_character(where, each) for where, each in _listed(*fields.get(CHARACTERS))]
    return named + [_character(where, {"id": each}) for where, each in _listed(*fields.get(CHARACTER_IDS))]


def _listed(name: str, value: object) -> list[tuple[str, object]]:
    """Return what a list has, one alone, or a text with commas between, each with where it stands."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, dict):
        value = [value]
    if value is not None and not isinstance(value, list):
        raise _refusal(name, "must be a list of names, ids or objects")
    if len(value or ()) > MOST_CHARACTERS:
        raise _refusal(name, f"must contain no more than {MOST_CHARACTERS} items")
    return [(f"{name}[{index}]", each) for index, each in enumerate(value or ())]


def _character(where: str, value: object) -> Any:
    character: Any = STORY.message("Character")()
    if isinstance(value, str):
        character.id = _library_id(value)
        character.name = "" if character.id else value.strip()
        return character
    if not isinstance(value, dict):
        raise _refusal(where, "must be a name, an id or an object")
    fields = Fields(value)
    given = fields.text("id", "character_id")
    character.id = _library_id(given) or given
    character.name = fields.text("name", "first_name")
    character.description = "; ".join(part for part in (_told(fields, name) for name in ABOUT) if part)
    character.looks = fields.text("looks", "appearance")
    character.history = fields.text("history", "backstory")
    return character


def _told(fields: Fields, name: str) -> str:
    _, value = fields.get((name,))
    if isinstance(value, list):
        return ", ".join(part for part in value if isinstance(part, str))
    return fields.text(name)


def _library_id(text: str) -> str:
    """Return the id of a character of the library; empty for what is none, such as a name."""
    try:
        return character_id_of(text.strip())
    except NotFound:
        return ""
