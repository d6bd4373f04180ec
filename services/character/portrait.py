"""What a painter is told of a character: a prompt. Pure."""

from __future__ import annotations

from services.character.domain import Details

LONGEST_LOOKS = 600
"""Characters of the looks that are told. Painters read the beginning of a prompt: sixty words, some a few hundred."""

LONGEST_PROMPT = 2000
"""In characters: the image service takes no more."""

_YOUNG, _OLD = 13, 65
"""Ages of people up to which somebody is a child, and from which old."""


def portrait_of(details: Details) -> str:
    """Return a prompt for a character's face: what matters most first, in words that any painter knows.

    Forms and words are those that the bundled painter was taught ("a portrait of Mira, a young elf woman with …").
    """
    who = " ".join(word for word in (_age(details), details.species, _gender(details)) if word)
    article = "an" if who[:1].lower() in set("aeiou") else "a"
    looks = _cut(details.physical_description, LONGEST_LOOKS)
    prompt = (
        f"A portrait of {details.first_name}, {article} {who}, {details.profession}. {looks} {details.visual_style}"
    )
    return _cut(" ".join(prompt.split()), LONGEST_PROMPT)


def _age(details: Details) -> str:
    """Return an age in a word. Who is no human may be young at seven hundred: that is left to the looks."""
    if details.species.lower() != "human":
        return ""
    if details.age <= _YOUNG:
        return "young"
    return "old" if details.age >= _OLD else ""


def _gender(details: Details) -> str:
    return "" if details.gender.lower() == "none" else details.gender


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text, up to the end of a word."""
    return text if len(text) <= longest else text[: longest + 1].rpartition(" ")[0] or text[:longest]
