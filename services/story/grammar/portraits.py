"""Tells in a story's first chapter how its people look and where they come from, in their own sentences. Pure."""

from __future__ import annotations

import re

from services.story.domain import Brief, Character
from services.story.grammar.english import sentences

MOST_PORTRAITS = 3
"""More people than that are not introduced one after the other."""

WORDS_FOR_EACH = 150
"""A story has one portrait for each so many of its words: a short one is no gallery."""

LONGEST_SENTENCE = 45
"""Words of the longest sentence that is taken."""

_PAST = {
    "is": "was", "are": "were", "has": "had", "have": "had", "wears": "wore", "wear": "wore", "carries": "carried",
    "looks": "looked", "moves": "moved", "keeps": "kept", "walks": "walked", "catch": "caught", "stands": "stood",
}  # fmt: skip
_PRESENT_VERB = re.compile(rf"\b({'|'.join(_PAST)})\b")
_PRESENT = re.compile(r"\b(?:is|are|has|have|does|do|lives|says|will|wants|knows|calls|now|today)\b")
_BEGAN = re.compile(r"\b(?:was born|were born|was made|was built|grew up|came|began|arrived)\b")
_MORE_VERBS = re.compile(
    r"\b(?:and|but|who|which|that|he|she|it)\s+(?:(?:\w+ly|never|always|often)\s+)?(?!was\b|his\b|its\b|this\b)\w+s\b"
)
"""Verbs in the present tense of which the past is not known here, most likely."""

_PRONOUN = re.compile(r"^(?:He|She|They|It)\b")


def with_portraits(text: str, brief: Brief) -> str:
    """Return a first chapter with portraits of those people of whom something is known.

    Each stands behind the paragraph that names them first, or, where none does, behind the first.
    """
    room = min(MOST_PORTRAITS, brief.words // WORDS_FOR_EACH)
    known = [(person, portrait) for person in brief.characters if (portrait := portrait_of(person))][:room]
    paragraphs = text.split("\n\n")
    for person, portrait in reversed(known):
        naming = (number for number, paragraph in enumerate(paragraphs) if _names(paragraph, person))
        paragraphs.insert(next(naming, 0) + 1, portrait)
    return "\n\n".join(paragraphs)


def portrait_of(person: Character) -> str:
    """Return a paragraph of how somebody looked and came to be; empty where nothing is known that can be told so."""
    name = _first_name(person)
    if not name:
        return ""
    looks, pronoun = _looks(person.looks, name)
    beginning = _beginning(person.history, name)
    if pronoun:
        beginning = (
            re.sub(rf"^{re.escape(name)} was\b", f"{pronoun} were", beginning) if pronoun == "They" else beginning
        )
        beginning = re.sub(rf"^{re.escape(name)}\b", pronoun, beginning)
    return " ".join(sentence for sentence in (looks, beginning) if sentence)


def _first_name(person: Character) -> str:
    return next(iter(person.name.split()), "")


def _names(paragraph: str, person: Character) -> bool:
    return bool(re.search(rf"\b{re.escape(_first_name(person))}\b", paragraph))


def _looks(looks: str, name: str) -> tuple[str, str]:
    """Return a sentence of somebody's looks in the past tense, by their name, and the pronoun it had; empty if none."""
    for sentence in sentences(looks)[:3]:
        pronoun = _PRONOUN.match(sentence)
        told = _PRESENT_VERB.sub(lambda verb: _PAST[verb[1]], sentence)
        if _tells(sentence) and pronoun and told != sentence and not _MORE_VERBS.search(told):
            subject = _PRONOUN.sub(lambda _: name, told)
            return re.sub(rf"^{re.escape(name)} were\b", f"{name} was", subject), pronoun[0]
    return "", ""


def _beginning(history: str, name: str) -> str:
    """Return the first sentence that tells of somebody's beginnings as what is past, by their name."""
    for sentence in sentences(history.replace("\n", " "))[:6]:
        named = sentence.startswith(name) and not sentence.startswith(f"{name}'")
        if _tells(sentence) and named and _BEGAN.search(sentence) and not _PRESENT.search(sentence):
            return sentence
    return ""


def _tells(sentence: str) -> bool:
    return bool(sentence) and sentence[-1] in ".!?" and len(sentence.split()) <= LONGEST_SENTENCE
