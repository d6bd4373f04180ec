"""The template language of the data files: choices, pronouns, slots and conditions.

    <person,!child> {Name} {v:keeps} [one|two] {treasure} in {their} room.

A row may begin with conditions in angle brackets: all flags named must hold, those with "!" must not. Choices nest.
`{they}`, `{them}`, `{their}`, `{theirs}` and `{themself}` are the character's pronouns, with a capital where the slot
has one; `{v:keeps}` is a verb that follows `{they}`. All other slots are values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

from services.character.grammar.english import Pronouns, bare, fix_articles, tidy

_HEAD = re.compile(r"^<([a-z_!,\s]+)>\s*")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(v:)?([A-Za-z_]+)\}")
PRONOUNS = frozenset({"they", "them", "their", "theirs", "themself"})


class TemplateInvalid(ValueError):
    """A template breaks the rules of the language."""


def conditions(row: str) -> tuple[frozenset[str], frozenset[str], str]:
    """Split a row into the flags that it needs, those that it bars, and its text."""
    match = _HEAD.match(row)
    if match is None:
        return frozenset(), frozenset(), row
    flags = [flag.strip() for flag in match[1].split(",")]
    needs = frozenset(flag for flag in flags if not flag.startswith("!"))
    return needs, frozenset(flag[1:] for flag in flags if flag.startswith("!")), row[match.end() :]


def fitting(rows: Sequence[str], flags: frozenset[str]) -> list[str]:
    """Return the texts of the rows that may be used where these flags hold; rows that need flags come twice."""
    found: list[str] = []
    for row in rows:
        needs, bars, text = conditions(row)
        if needs <= flags and not bars & flags:
            found.extend([text] * (2 if needs - {"person"} else 1))
    return found


def check_row(row: str, slots: frozenset[str]) -> None:
    """Check a row.

    Raises:
        TemplateInvalid: its brackets do not close, or it has a slot that is not among `slots`.
    """
    _, _, text = conditions(row)
    plain = text
    while _CHOICE.search(plain):
        plain = _CHOICE.sub("", plain)
    if any(mark in plain for mark in "[]|<>"):
        raise TemplateInvalid(f"brackets do not close in {row[:60]!r}")
    if re.search(r"[{}]", _SLOT.sub("", text)):
        raise TemplateInvalid(f"a slot is not well formed in {row[:60]!r}")
    for match in _SLOT.finditer(text):
        name = match[2].lower()
        if not match[1] and name not in PRONOUNS and name not in slots:
            raise TemplateInvalid(f"there is no slot {match[2]!r}: {row[:60]!r}")


def render(text: str, random: Random, pronouns: Pronouns, values: Mapping[str, str], *, whole: bool = True) -> str:
    """Fill a template: choose, fill the slots, and mend articles; capitals, too, if it is a whole sentence."""
    while True:
        match = _CHOICE.search(text)
        if match is None:
            break
        text = text[: match.start()] + random.choice(match[1].split("|")) + text[match.end() :]
    told = _SLOT.sub(lambda found: _filled(found, pronouns, values), text)
    return tidy(told) if whole else fix_articles(told)


def _filled(match: re.Match[str], pronouns: Pronouns, values: Mapping[str, str]) -> str:
    verb, slot = match[1], match[2]
    if verb:
        return bare(slot) if pronouns.plural else slot
    lower = slot.lower()
    told = str(getattr(pronouns, lower)) if lower in PRONOUNS else values[lower]
    return told[:1].upper() + told[1:] if slot[:1].isupper() else told
