"""Tells in a story's first chapter how its people look and where they come from, in their own sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.story.domain import Brief, Character
from services.story.grammar.english import sentences, word_count
from services.story.grammar.folk import clean_name
from services.story.grammar.persons import short_name
from services.story.grammar.vocabulary import vocabulary

MOST_PORTRAITS = 3
"""More people than that are not introduced one after the other."""

WORDS_FOR_EACH = 150
"""A story has one portrait for each so many of its words: a short one is no gallery."""

LONGEST_SENTENCE = 45
"""Words of the longest sentence that is taken."""

_PAST = {
    "is": "was", "are": "were", "has": "had", "have": "had", "does": "did", "do": "did", "can": "could",
    "cannot": "could not", "can't": "couldn't", "isn't": "wasn't", "aren't": "weren't", "doesn't": "didn't",
    "hasn't": "hadn't", "haven't": "hadn't",
}  # fmt: skip
"""What is a verb wherever it stands."""

_MORE_PASTS = {"tilt": "tilted", "hum": "hummed", "behave": "behaved", "creak": "creaked", "dim": "dimmed"}
_THEY_DO = frozenset(
    {"wear", "move", "carry", "keep", "walk", "look", "stand", "behave", "tilt", "hum", "smell", "say"}
)
"""After "they … and" these are verbs: others may be anything ("small and light")."""

_SUBJECTS = frozenset({"he", "she", "they", "it", "who", "which", "that", "nobody", "everybody", "somebody", "one"})
_ADVERBS = frozenset({"never", "always", "often", "still", "only", "also", "now"})
_NOW = re.compile(r"\b(?:will|shall|now|today|nowadays|these days|they say)\b", re.IGNORECASE)
_SPOKEN_OF = re.compile(r"^(?:(He|She|They|It)|(His|Her|Their|Its))\b")
_HIMSELF = re.compile(r"\b(?:it|its|itself)\b", re.IGNORECASE)

_BEGAN = re.compile(
    r"\b(?:was born|were born|was made|was built|grew up|came|began|arrived|was found|was quite|was never quite|"
    r"were spent|was separated|noticed|there was)\b"
)
_PRESENT = re.compile(
    r"\b(?:is|are|has|have|does|do|can|cannot|lives?|says?|will|wants?|knows?|finds?|calls?|now|today|comes|stands|must|"
    r"remembers?|likes?|looks|shows)\b"
)
_AGO = ((r"\bago\b", "before"), (r"\blast year\b", "the year before"), (r"\bthis very year\b", "that very year"))
_FIRST = 8
"""A beginning stands among so many sentences."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """What is told of somebody, sentence by sentence; either may be empty.

    Attributes:
        person: Of whom.
        looks: How they looked.
        beginning: Where they came from.
    """

    person: Character
    looks: str
    beginning: str

    @property
    def text(self) -> str:
        """The paragraph."""
        return " ".join(sentence for sentence in (self.looks, self.beginning) if sentence)


def portraits_for(brief: Brief) -> tuple[Portrait, ...]:
    """Return the portraits that a story of this length bears, of the first people of whom something is known."""
    room = min(MOST_PORTRAITS, brief.words // WORDS_FOR_EACH)
    found: list[Portrait] = []
    for person in brief.characters:
        portrait = _portrait(person, [one.beginning for one in found])
        if portrait.text and len(found) < room:
            found.append(portrait)
    return tuple(found)


def with_portraits(text: str, portraits: Sequence[Portrait], room: int) -> str:
    """Return a first chapter with as many sentences of these portraits as there is room for, in words.

    Each stands behind the paragraph that names the person first, or, where none does, behind the first. Where there is
    not room for all, everybody's looks go before anybody's beginnings.
    """
    paragraphs = text.split("\n\n")
    for portrait in reversed(_fitting(portraits, room)):
        naming = (number for number, paragraph in enumerate(paragraphs) if _names(paragraph, portrait.person))
        paragraphs.insert(next(naming, 0) + 1, portrait.text)
    return "\n\n".join(paragraphs)


def portrait_of(person: Character) -> str:
    """Return a paragraph of how somebody looked and came to be; empty where nothing is known that can be told so."""
    return _portrait(person, ()).text


def _fitting(portraits: Sequence[Portrait], room: int) -> list[Portrait]:
    looks: list[str] = []
    for portrait in portraits:
        fits = word_count(portrait.looks) <= room
        looks.append(portrait.looks if fits else "")
        room -= word_count(looks[-1])
    kept: list[Portrait] = []
    for portrait, look in zip(portraits, looks, strict=True):
        fits = word_count(portrait.beginning) <= room and (bool(look) or not portrait.looks)
        beginning = portrait.beginning if fits else ""
        room -= word_count(beginning)
        kept.append(Portrait(portrait.person, look, beginning))
    return [portrait for portrait in kept if portrait.text]


def _portrait(person: Character, told: Sequence[str]) -> Portrait:
    name = _called(person)
    if not name:
        return Portrait(person, "", "")
    looks, pronoun = _looks(person.looks, name)
    beginnings = _beginnings(person, name)
    fresh = (one for one in beginnings if one.startswith(name) or not any(_alike(one, other) for other in told))
    return Portrait(person, looks, _by_pronoun(next(fresh, ""), name, pronoun))


def _alike(one: str, other: str) -> bool:
    """Tell whether two sentences begin in the same words: "The first years of Ann", "The first years of Ben"."""
    return one.split()[:3] == other.split()[:3]


def _by_pronoun(beginning: str, name: str, pronoun: str) -> str:
    """Begin with a pronoun, where the looks have just named who it is."""
    if not pronoun or not beginning.startswith(f"{name} "):
        return beginning
    rest = beginning.removeprefix(f"{name} ")
    return f"They {re.sub(r'^was ', 'were ', rest)}" if pronoun == "They" else f"{pronoun} {rest}"


def _called(person: Character) -> str:
    """Return what the story calls somebody."""
    name = clean_name(person.name)
    return short_name(name) if name else ""


def _names(paragraph: str, person: Character) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(_called(person))}(?!\w)", paragraph))


def _looks(looks: str, name: str) -> tuple[str, str]:
    """Return a sentence of somebody's looks in the past tense, by their name, and the pronoun it had; empty if none.

    The pronoun is empty where the sentence does not begin with one: "Her coat …".
    """
    for sentence in sentences(looks)[:3]:
        spoken = _SPOKEN_OF.match(sentence)
        if not spoken or not _tells(sentence) or _NOW.search(sentence) or _HIMSELF.search(sentence[spoken.end() :]):
            continue
        told = _in_the_past(sentence[spoken.end() :].split(" "), plural=spoken[1] == "They")
        if told and spoken[1]:
            pronoun = "" if spoken[1] == "It" else spoken[1]
            return f"{name}{re.sub('^ were ', ' was ', told)}", pronoun
        if told:
            return f"{name}'s{told}", ""
    return "", ""


def _in_the_past(said: Sequence[str], *, plural: bool) -> str:
    """Return what follows a subject in the past tense; empty where a verb's past is not known, or there is none."""
    told, turned = [""], False
    for at, piece in enumerate(said[1:], start=1):
        word = piece.strip(",.;:!?")
        before = _before(said, at)
        verb = _PAST.get(word) or (_past(word, plural=plural) if before in _SUBJECTS or at == 1 else None)
        if verb is None and before in {"and", "but"} and not _is_noun(word) and (not plural or word in _THEY_DO):
            verb = _past(word, plural=plural)
        if verb == "":
            return ""
        turned = turned or verb is not None
        told.append(piece if verb is None else piece.replace(word, verb, 1))
    return " ".join(told) if turned else ""


def _before(said: Sequence[str], at: int) -> str:
    """Return the word before, adverbs aside; none stands before the first."""
    at -= 1
    while at > 0 and (said[at] in _ADVERBS or said[at].endswith("ly")):
        at -= 1
    return said[at].lower() if at > 0 else ""


def _past(word: str, *, plural: bool) -> str | None:
    """Return a verb's past; empty where it is not known, None where the word is no verb in the present tense."""
    known = vocabulary()
    if word in known.function:
        return None
    base = known.third_forms.get(word) or (word if plural and word in known.verbs else "") or word.removesuffix("s")
    if base in known.verbs:
        return known.past(base) if base != word or plural else None
    if base in _MORE_PASTS and (word.endswith("s") or plural):
        return _MORE_PASTS[base]
    return "" if word.endswith("s") and not word.endswith("ss") and not _is_noun(word) else None


def _is_noun(word: str) -> bool:
    """Tell whether a word behind "and" is something somebody has, and nothing they do."""
    known = vocabulary()
    return known.kind(word) == "thing" or word in {"eyes", "boots", "hands", "ears", "freckles", "paws", "trousers"}


def _beginnings(person: Character, name: str) -> Iterator[str]:
    """Yield the sentences that tell of somebody's beginnings as what is past, by their name."""
    spoken_of = {name, person.name, person.name.split()[0]}
    names = "|".join(re.escape(one) for one in sorted(spoken_of, key=len, reverse=True))
    titles = "|".join(title.capitalize() for title in sorted(vocabulary().titles))
    named = re.compile(rf"(?<!\w)(?:(?:{titles})\.? )?(?:{names})(?![\w'’])")
    for sentence in sentences(person.history.replace("\n", " "))[:_FIRST]:
        if not (_tells(sentence) and named.search(sentence) and _BEGAN.search(sentence)) or _NOW.search(sentence):
            continue
        told = named.sub(name, sentence, count=1)
        told = _in_the_past(["", *told.split(" ")], plural=False)[1:] if _PRESENT.search(told) else told
        if told and not _PRESENT.search(told):
            for now, then in _AGO:
                told = re.sub(now, then, told, flags=re.IGNORECASE)
            if not re.search(r"\b(?:it|its|itself)\b", told, re.IGNORECASE) or not _is_it(person):
                yield told[:1].upper() + told[1:]


def _is_it(person: Character) -> bool:
    """Tell whether the library speaks of somebody as of a thing, which a story does not."""
    return bool(re.search(r"(?:^|[.!?] )(?:It|Its)\b", f"{person.looks} {person.description}"))


def _tells(sentence: str) -> bool:
    return bool(sentence) and sentence[-1] in ".!?" and len(sentence.split()) <= LONGEST_SENTENCE
