"""What a painter is told of a character: a prompt. Pure."""

from __future__ import annotations

import re

from services.character.domain import Details

LONGEST_LOOKS = 600
"""Characters of the looks that are told whole, behind all else."""

LONGEST_PROMPT = 2000
"""In characters: the image service takes no more."""

_YOUNG, _OLD = 13, 65
"""Ages of people up to which somebody is a child, and from which old."""

_NOUNS = frozenset({"woman", "man", "girl", "boy"})
"""Genders that stand behind the species: "an elf woman", but "a female dragon"."""

_CLAUSES = re.compile(r"[.,;]\s*|\s+(?:and|with)\s+")
_SEEN = re.compile(r"\b(?:hair|beard|plait|braids?|eyes|skin|fur|scales|feathers)\b", re.IGNORECASE)
_POSSESSED = re.compile(r"^(?:with |and |(?:he|she|it|they) (?:has|have) |(?:his|her|its|their) )+", re.IGNORECASE)
_SAID_OF = re.compile(r"^(\w+) (?:is|are) (\w+)$")
_MORE = re.compile(r" (?:is|are) .*")
_WORN = re.compile(r"\bwear(?:s|ing)? (.+?)(?: and | with |[.,;]|$)", re.IGNORECASE)

_MOST_SEEN = 3
"""So many clauses of a face are told first; clauses and clothes of more characters than this are no such thing."""
_LONGEST_SEEN = 60


def portrait_of(details: Details) -> str:
    """Return a prompt for a character's face.

    Painters read only the beginning of a prompt: the bundled one 48 pieces, about thirty words; many others 77. What
    shows comes first, in the form that the bundled one was taught ("a portrait of Mira, a young elf woman with silver
    hair, wearing a green cloak"); then what it does, the manner, and the looks in full.
    """
    who = " ".join(word for word in _who(details) if word)
    subject = f"A portrait of {details.first_name}, {'an' if who[:1].lower() in set('aeiou') else 'a'} {who}"
    if seen := _seen(details.physical_description):
        subject += f" with {' and '.join(seen)}"
    if (worn := _WORN.search(details.physical_description)) and len(worn[1]) <= _LONGEST_SEEN:
        subject += f", wearing {worn[1]}"
    style = f"{details.visual_style}." if details.visual_style else ""
    prompt = f"{subject}, {details.profession}. {style} {_cut(details.physical_description, LONGEST_LOOKS)}"
    return _cut(" ".join(prompt.split()), LONGEST_PROMPT)


def _who(details: Details) -> tuple[str, str, str, str]:
    """Return age, adjective, species and noun; some of them empty."""
    gender = "" if details.gender.lower() == "none" else details.gender
    if gender.lower() in _NOUNS:
        return _age(details), "", details.species, gender
    return _age(details), gender, details.species, ""


def _age(details: Details) -> str:
    """Return an age in a word. Who is no human may be young at seven hundred: that is left to the looks."""
    if details.species.lower() != "human":
        return ""
    if details.age <= _YOUNG:
        return "young"
    return "old" if details.age >= _OLD else ""


def _seen(looks: str) -> list[str]:
    """Return what the looks say of hair, eyes and the like; nothing where they are not in English."""
    clauses = [_POSSESSED.sub("", clause.strip()) for clause in _CLAUSES.split(looks)]
    clauses = [_MORE.sub("", _SAID_OF.sub(r"\2 \1", clause)) for clause in clauses]
    return [clause for clause in clauses if len(clause) <= _LONGEST_SEEN and _SEEN.search(clause)][:_MOST_SEEN]


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text, up to the end of a word."""
    return text if len(text) <= longest else text[: longest + 1].rpartition(" ")[0] or text[:longest]
