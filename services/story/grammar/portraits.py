"""Tells in a story's first chapter how its people look and where they come from, in their own sentences. Pure."""

from __future__ import annotations

import re

from services.story.domain import Brief, Character
from services.story.grammar.english import sentences

MOST_PORTRAITS = 3
"""More people than that are not introduced one after the other."""

WORDS_FOR_EACH = 150
"""A story has as many portraits as it has times so many words: a short one is no gallery."""

LONGEST_SENTENCE = 45
"""Words of the longest sentence that is taken."""

_PAST = {
    "is": "was", "are": "were", "has": "had", "have": "had", "wears": "wore", "wear": "wore", "carries": "carried",
    "looks": "looked", "moves": "moved", "keeps": "kept", "walks": "walked", "catch": "caught", "stands": "stood",
}  # fmt: skip
_PRESENT_VERB = re.compile(rf"\b({'|'.join(_PAST)})\b")
_PRESENT = re.compile(r"\b(?:is|are|has|have|does|do|lives|says|will|wants|knows|calls|now|today)\b")
_BEGAN = re.compile(r"\b(?:was|were|grew|came|learned|began|arrived|left|spent)\b")
_PRONOUN = re.compile(r"^(?:He|She|They|It)\b")


def with_portraits(text: str, brief: Brief) -> str:
    """Return a first chapter with portraits behind its first paragraph: of those people of whom something is known."""
    room = min(MOST_PORTRAITS, brief.words // WORDS_FOR_EACH)
    told = [portrait for person in brief.characters if (portrait := portrait_of(person))][:room]
    first, gap, rest = text.partition("\n\n")
    return "\n\n".join([first, *told]) + gap + rest


def portrait_of(person: Character) -> str:
    """Return a paragraph of how somebody looked and came to be; empty where nothing is known that can be told so."""
    name = person.name.split()[0] if person.name.split() else ""
    looks, beginning = _looks(person.looks, name), _beginning(person.history, name)
    if looks and beginning and (pronoun := _PRONOUN.match(person.looks.strip())):
        beginning = re.sub(rf"^{re.escape(name)}\b", pronoun[0], beginning)
    return " ".join(sentence for sentence in (looks, beginning) if sentence)


def _looks(looks: str, name: str) -> str:
    """Return the first sentence of somebody's looks in the past tense, by their name."""
    found = next(iter(sentences(looks)), "")
    if not _tells(found) or not _PRONOUN.match(found) or not _PRESENT_VERB.search(found):
        return ""
    return _PRONOUN.sub(lambda _: name, _PRESENT_VERB.sub(lambda verb: _PAST[verb[1]], found))


def _beginning(history: str, name: str) -> str:
    """Return the first sentence that tells of somebody's beginnings as what is past, by their name."""
    for sentence in sentences(history.replace("\n", " "))[:6]:
        named = sentence.startswith(name) and not sentence.startswith(f"{name}'")
        if _tells(sentence) and named and _BEGAN.search(sentence) and not _PRESENT.search(sentence):
            return sentence
    return ""


def _tells(sentence: str) -> bool:
    return bool(sentence) and sentence[-1] in ".!?" and len(sentence.split()) <= LONGEST_SENTENCE
