"""What the light rules know of words: kinds of nouns, forms of verbs, names. Looks words up; decides nothing."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Literal

from services.story.grammar.english import singular
from services.story.grammar.lexicon import data_folder

Kind = Literal["person", "group", "animal", "being", "place", "thing", "abstract", ""]

_PERSON_ENDINGS = [
    "smith",
    "maker",
    "keeper",
    "man",
    "woman",
    "monger",
    "wright",
    "wife",
    "master",
    "mistress",
    "seller",
    "herd",
    "tender",
    "hunter",
    "ologist",
    "ician",
    "eer",
    "ographer",
    "mender",
    "catcher",
    "breaker",
    "builder",
    "writer",
    "driver",
    "dealer",
    "healer",
    "reader",
    "owner",
    "holder",
    "sweeper",
    "player",
]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Word lists with lookups; all words are in lower case, compounds with spaces."""

    kinds: dict[str, Kind]
    genders: dict[str, str]
    preps: dict[str, str]
    bulky: frozenset[str]
    airy: frozenset[str]
    pairs: frozenset[str]
    baskets: frozenset[str]
    gazetteer: frozenset[str]
    both: frozenset[str]
    numbers: dict[str, int]
    verbs: frozenset[str]
    pasts: dict[str, str]
    past_forms: dict[str, str]
    third_forms: dict[str, str]
    adjectives: frozenset[str]
    function: frozenset[str]
    names: dict[str, str]
    titles: frozenset[str]
    foreign: frozenset[str]

    def kind(self, noun: str) -> Kind:
        """Return what kind of thing a noun names; "" if it is not known."""
        return self.kinds.get(noun) or self.kinds.get(self.base(noun)) or ""

    def guess(self, noun: str) -> Kind:
        """Return the kind of a noun, judging unknown ones by their ending."""
        known = self.kind(noun)
        if known:
            return known
        one = self.base(noun)
        if len(noun) > 4 and one.endswith(tuple(_PERSON_ENDINGS)):
            return "person"
        if self._is_relative(one) or (one.endswith("mate") and self.known(one.removesuffix("mate"))):
            return "person"  # "flatmate", "ex-husband"
        return ""

    def _is_relative(self, noun: str) -> bool:
        """Tell whether a compound names somebody by somebody else: "sister-in-law", "ex-husband"."""
        first, *_, last = noun.split("-") if "-" in noun else (noun, noun)
        return "-" in noun and "person" in {self.kinds.get(last), self.kinds.get(first) if "-in-law" in noun else ""}

    def base(self, noun: str) -> str:
        """Return the singular of a noun that may be plural."""
        if noun in self.kinds or not noun.endswith(("s", "ves", "men", "children", "mice", "geese")):
            return noun
        return singular(noun)

    def is_plural(self, noun: str) -> bool:
        """Tell whether a noun stands in the plural."""
        if noun in {"glasses", "binoculars", "spectacles", "stairs", "gloves", "boots", "shoes", "shadows"}:
            return True
        if self.kinds.get(noun) and not noun.endswith(("ts", "es", "ks", "rs", "ns", "ds", "ms", "ls", "ps")):
            return False
        return noun not in self.kinds and self.base(noun) != noun

    def gender(self, noun: str) -> str:
        """Return "she" or "he" for nouns that say so, else ""."""
        last = noun.removesuffix("-in-law").replace("ex-", "", 1).rsplit(" ", 1)[-1]
        return self.genders.get(noun) or self.genders.get(self.base(last)) or ""

    def name_gender(self, name: str) -> str:
        """Return the pronoun a first name suggests; "" if it is not known as a name."""
        return self.names.get(name.lower(), "")

    def known(self, word: str) -> bool:
        """Tell whether a word is an ordinary English word, as far as the lists go."""
        return (
            word in self.function
            or word in self.adjectives
            or word in self.verbs
            or word in self.third_forms
            or word in self.past_forms
            or bool(self.kind(word))
            or word in self.numbers
        )

    def past(self, verb: str) -> str:
        """Return the past tense of a verb's base form."""
        return self.pasts[verb]


def _regular_past(verb: str, doubling: frozenset[str]) -> str:
    if verb in doubling:
        return verb + verb[-1] + "ed"
    if verb.endswith("e"):
        return verb + "d"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    return verb + "ed"


def _third(verb: str) -> str:
    special = {"be": "is", "have": "has", "do": "does", "go": "goes"}
    if verb in special:
        return special[verb]
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


def _kinds(words: dict[str, str]) -> dict[str, Kind]:
    lists: list[tuple[str, Kind]] = [
        ("abstract", "abstract"), ("things", "thing"), ("places_in", "place"), ("places_at", "place"),
        ("places_on", "place"), ("groups", "group"), ("animals", "animal"), ("beings", "being"),
        ("people", "person"), ("women", "person"), ("men", "person"),
    ]  # fmt: skip  # later lists win where a word stands in two
    return {word: kind for key, kind in lists for word in _split(words[key])}


def _split(listed: str) -> list[str]:
    return [word.replace("_", " ") for word in listed.split()]


def _pasts(words: dict[str, str]) -> dict[str, str]:
    doubling = frozenset(words["doubling"].split())
    pasts = {verb: _regular_past(verb, doubling) for verb in words["verbs"].split()}
    pasts.update(dict(pair.split() for pair in words["irregular"].split(",")))
    return pasts


@cache
def vocabulary() -> Vocabulary:
    """Load the word lists; they are read once per process."""
    words: dict[str, str] = tomllib.loads((data_folder() / "words.toml").read_text(encoding="utf-8"))
    pasts = _pasts(words)
    names = {name.lower(): pronoun for key, pronoun in (("names_any", "they"), ("names_she", "she"), ("names_he", "he"))
             for name in words[key].split()}  # fmt: skip
    genders = {noun: pronoun for key, pronoun in (("women", "she"), ("men", "he")) for noun in _split(words[key])}
    return Vocabulary(
        kinds=_kinds(words),
        genders=genders,
        preps={word: prep for prep in ("in", "at", "on") for word in _split(words[f"places_{prep}"])},
        both=frozenset(_split(words["things"]))
        & {word for key in ("in", "at", "on") for word in _split(words[f"places_{key}"])},
        airy=frozenset(_split(words["airy"])),
        pairs=frozenset(_split(words["pairs"])),
        baskets=frozenset(_split(words["baskets"])),
        gazetteer=frozenset(_split(words["gazetteer"])),
        bulky=frozenset(_split(words["bulky"])),
        numbers={word: count for count, word in enumerate(words["numbers"].split(), start=2)},
        verbs=frozenset(pasts),
        pasts=pasts,
        past_forms={past: verb for verb, past in pasts.items()},
        third_forms={_third(verb): verb for verb in pasts},
        adjectives=frozenset(words["adjectives"].split()),
        function=frozenset(words["function"].split()),
        names=names,
        titles=frozenset(words["titles"].split()),
        foreign=frozenset(words["foreign"].split()),
    )
