"""The words that the reading knows: what people are called and do, what they are like, numbers, small words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from services.character.grammar.table import LexiconInvalid, Table, read_table


@dataclass(frozen=True, slots=True)
class People:
    """Words for people, each set in the singular and in lower case."""

    professions: frozenset[str]
    by_setting: Mapping[str, tuple[str, ...]]
    agents: frozenset[str]
    tails: tuple[str, ...]
    qualifiers: frozenset[str]
    rank: frozenset[str]
    women: frozenset[str]
    men: frozenset[str]
    either: frozenset[str]
    old: frozenset[str]
    children: frozenset[str]
    grown: frozenset[str]
    nonbinary: frozenset[str]
    titles: Mapping[str, str]
    title_works: frozenset[str]
    title_old: frozenset[str]

    @property
    def kin(self) -> frozenset[str]:
        """Words that say that somebody is somebody, and no more of what is done all day."""
        return self.either | (self.women | self.men) - self.professions


@dataclass(frozen=True, slots=True)
class Traits:
    """Adjectives: what somebody is like, and how one looks; `opposites` pairs what cannot be said of the same one."""

    good: tuple[str, ...]
    bad: tuple[str, ...]
    even: frozenset[str]
    looks: frozenset[str]
    opposites: tuple[tuple[frozenset[str], frozenset[str]], ...]
    looks_nouns: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Whatever somebody can be like."""
        return frozenset(self.good) | frozenset(self.bad) | self.even

    def clash(self, one: str, other: str) -> bool:
        """Tell whether one would contradict the other."""
        pair = {one, other}
        return any(pair & left and pair & right for left, right in self.opposites)


@dataclass(frozen=True, slots=True)
class Small:
    """Small words, numbers and times of life."""

    function: frozenset[str]
    foreign: frozenset[str]
    never_names: frozenset[str]
    verbs: frozenset[str]
    numbers: Mapping[str, int]
    decades: Mapping[str, int]
    stages: Mapping[str, str]


@cache
def people() -> People:
    """Load the words for people. Raises `LexiconInvalid`."""
    table = read_table("people")
    works, known, kin, titles = (table.table(key) for key in ("professions", "known", "kin", "titles"))
    by_setting = {key: works.words(key) for key in works.names()}
    women, men = known.known("woman"), known.known("man")
    return People(
        professions=frozenset(word for each in by_setting.values() for word in each) | known.known("any") | women | men,
        by_setting=by_setting,
        agents=known.known("agents"),
        tails=known.words("tails"),
        qualifiers=known.known("qualifiers"),
        rank=known.known("rank"),
        women=women | kin.known("woman"),
        men=men | kin.known("man"),
        either=kin.known("either"),
        old=kin.known("old"),
        children=kin.known("child"),
        grown=kin.known("grown"),
        nonbinary=kin.known("nonbinary"),
        titles=_titles(titles),
        title_works=titles.known("works"),
        title_old=titles.known("old"),
    )


def _titles(table: Table) -> dict[str, str]:
    either = dict.fromkeys(table.words("either"), "")
    return either | dict.fromkeys(table.words("woman"), "f") | dict.fromkeys(table.words("man"), "m")


@cache
def traits() -> Traits:
    """Load the adjectives. Raises `LexiconInvalid`."""
    table = read_table("traits")
    pairs = tuple((frozenset(left.split()), frozenset(right.split())) for left, right in table.fields("opposites", 2))
    return Traits(
        good=table.words("good"),
        bad=table.words("bad"),
        even=table.known("even"),
        looks=table.known("looks"),
        opposites=pairs,
        looks_nouns=table.table("looks_nouns").known("all"),
    )


@cache
def small() -> Small:
    """Load the small words. Raises `LexiconInvalid`."""
    table = read_table("words")
    numbers, decades, stages = (table.table(key) for key in ("numbers", "decades", "stages"))
    found = Small(
        function=table.known("function"),
        foreign=table.known("foreign"),
        never_names=table.known("names_never"),
        verbs=table.known("verbs"),
        numbers={word: numbers.number(word) for word in numbers.names()},
        decades={word: decades.number(word) for word in decades.names()},
        stages={word: stages.text(word) for word in stages.names()},
    )
    if not found.function or not found.verbs:
        raise LexiconInvalid(f"{table.where}: small words and verbs are needed.")
    return found
