"""Tells where a character comes from, what made it so, what that cost, and what it wants now. Pure.

A life has a shape (a loss, a promise, a mistake …) with passages of its own for the event, the cost and the open end;
what stands between them is chosen by kind and age, and what the description states is told in between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random

from services.character.domain import Details, Wish
from services.character.grammar.english import indefinite, sentences, tidy
from services.character.grammar.lists import listed_in
from services.character.grammar.setting import Person, decide, in_water, is_big
from services.character.grammar.sheet import is_alive, spoken
from services.character.grammar.table import Table, read_table
from services.character.grammar.template import fitting, render
from services.character.grammar.words import traits

LEAST, MOST = 190, 340
"""Words that a history has; a long description may need the most."""

_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES = (
    *("nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_KIN = re.compile(
    r"\b(?:mother|father|parents?|brothers?|sisters?|family|orphan\w*|raised|foundling|son|daughter|"
    r"grandmother|grandfather|aunt|uncle|grew up|born|made|built|created|twin|abandoned)\b",
    re.IGNORECASE,
)


@cache
def _table() -> Table:
    return read_table("history")


def number_words(number: int) -> str:
    """Return a number up to 99 in words, a greater one in figures."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    return f"{number:,}"


def tell(wish: Wish, details: Details) -> str:
    """Return the whole history; the same wish and details, the same text."""
    person = decide(wish)
    teller = _Teller(person, details)
    return teller.tell()


class _Teller:
    """Tells one life; remembers which sentences have been told."""

    def __init__(self, person: Person, details: Details) -> None:
        self._person, self._details = person, details
        self._flags = person.flags | _flags(person, details)
        self._values = _values(person, details, self._flags)

    def tell(self) -> str:
        random = self._person.chance("shape")
        shape = "beginning" if "infant" in self._flags else random.choice(self._shapes())
        order = random.choice(_table().table("orders").texts("rows")).split()
        if shape == "gift":
            order = [name for name in order if name != "treasure"]
        parts = {name: self._passage(name, shape) for name in dict.fromkeys(order) if name != "told"}
        told = self._stated(" ".join(parts.values()))
        parts["told"] = self._fitted(told, sum(len(text.split()) for text in parts.values()))
        text = self._text(order, parts)
        for number, row in enumerate(self._fills(random, text)):
            if len(text.split()) >= LEAST:
                break
            name = f"fill{number}"
            parts[name] = row
            order.insert(order.index("cost") + 1, name)
            text = self._text(order, parts)
        return text

    def _shapes(self) -> list[str]:
        barred = set(listed_in("narrow"))
        if self._person.facts.belongings:
            barred.add("gift")
        if self._person.species.kind in {"plant", "thing"}:
            barred |= listed_in("barred_of_things")
        if self._person.stage == "child":
            barred |= {"rivalry", "unfair", "journey", "name"}
        return [name for name in _table().table("shapes").names() if name not in barred]

    def _passage(self, name: str, shape: str) -> str:
        own = name in {"event", "cost", "end"}
        rows = (_table().table("shapes").table(shape) if own else _table().table("banks")).texts(name)
        fit = fitting(rows, self._flags)
        if not fit:
            return ""
        random = self._person.chance(f"{shape}/{name}")
        return render(random.choice(fit), random, self._person.pronouns, self._values)

    def _fills(self, random: Random, text: str) -> list[str]:
        told = {
            "{strength}": self._details.strength in text,
            "{fear}": self._details.fear in text,
            "{good}": not self._values["good"],
        }
        barred = [slot for slot, holds in told.items() if holds]
        rows = [row for row in _table().table("banks").texts("fill") if not any(slot in row for slot in barred)]
        rows = list(dict.fromkeys(fitting(rows, self._flags)))
        random.shuffle(rows)
        return [render(row, random, self._person.pronouns, self._values) for row in rows]

    def _fitted(self, told: list[str], words: int) -> str:
        """Return what is stated as far as there is room for it."""
        kept: list[str] = []
        for sentence in told:
            if words + len(" ".join([*kept, sentence]).split()) <= MOST:
                kept.append(sentence)
        return " ".join(kept)

    def _text(self, order: Sequence[str], parts: dict[str, str]) -> str:
        """Set the passages in paragraphs: a new one where the event begins, and before what is wanted now."""
        paragraphs: list[list[str]] = [[]]
        seen: set[str] = set()
        for name in order:
            new = name in {"event", "want", "told", "treasure", "end"} or (
                name == "work" and "cost" in order[: order.index(name)]
            )
            if new and sum(len(text.split()) for text in paragraphs[-1]) > 22:
                paragraphs.append([])
            fresh = [sentence for sentence in sentences(parts[name]) if sentence.lower() not in seen]
            seen.update(sentence.lower() for sentence in fresh)
            paragraphs[-1].append(" ".join(fresh))
        joined = (" ".join(piece for piece in paragraph if piece) for paragraph in paragraphs)
        return "\n\n".join(paragraph for paragraph in joined if paragraph)

    def _stated(self, text: str) -> list[str]:
        """Tell what the description states and the sheet does not hold, a sentence each."""
        facts, name, random = self._person.facts, self._details.first_name, self._person.chance("told")
        told: list[str] = []
        if facts.origin:
            told.append(self._said("lead", facts.origin, random, bank="banks"))
        rank = (
            facts.rank
            if facts.rank not in listed_in("plain_ranks") and facts.rank not in self._details.profession
            else ""
        )
        if rank and not any(f" {rank} " in f" {item} " for item in facts.told):
            told.append(self._said("rank", f"{indefinite(rank)} {rank}", random))
        if facts.name is not None and facts.name.nick:
            told.append(self._said("nick", facts.name.nick, random))
        title = facts.name.title if facts.name else ""
        if (
            title
            and self._values["full"] not in text
            and title.lower().replace(".", "") not in {"mr", "mrs", "miss", "ms"}
        ):
            told.append(self._said("title", self._values["full"], random))
        told += [
            self._said("have", spoken(self._person, thing, name), random)
            for thing in facts.belongings
            if is_alive(thing) or spoken(self._person, thing, name) != self._details.treasure
        ]
        told += [tidy(_closed(spoken(self._person, sentence, name))) for sentence in facts.whole]
        habits = [item for item in facts.told if spoken(self._person, item, name) != self._details.habit]
        nexts = fitting(_table().table("told").texts("next"), self._flags)
        nexts = list(dict.fromkeys(nexts))
        random.shuffle(nexts)
        for number, item in enumerate(habits):
            said = spoken(self._person, item, name)
            row = (
                random.choice(_table().table("told").texts("first"))
                if number == 0
                else nexts[(number - 1) % len(nexts)]
            )
            if number and (" also " in f" {said} " or said.endswith((" too", " as well"))):
                row = "{Name} {what}."
            told.append(render(row, random, self._person.pronouns, {**self._values, "what": said}))
        if facts.quoted:
            told.append(self._said("quote", spoken(self._person, "; ".join(facts.quoted[:4]), name), random))
        return [sentence for sentence in dict.fromkeys(told) if sentence]

    def _said(self, key: str, what: str, random: Random, *, bank: str = "told") -> str:
        rows = fitting(_table().table(bank).texts(key), self._flags)
        return (
            render(random.choice(rows), random, self._person.pronouns, {**self._values, "what": what}) if rows else ""
        )


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _flags(person: Person, details: Details) -> frozenset[str]:
    facts = person.facts
    told = " ".join((*facts.told, *facts.whole, *facts.quoted, facts.goal))
    infant = details.age < (4 if person.species.person else 1) and person.species.kind in {
        "person",
        "animal",
        "creature",
        "machine",
    }
    flags = {
        "comes": bool(facts.comes),
        "comes_home": bool(facts.comes and not facts.home),
        "plural": person.pronouns.plural,
        "origin": bool(facts.origin),
        "kin": bool(_KIN.search(told)),
        "dead": person.species.name in listed_in("dead"),
        "glow": person.species.cover == "glow",
        "made": person.species.kind in {"machine", "thing"},
        "folk": person.species.person and person.species.name != "human",
        "infant": infant,
        "lone": infant,
        "retired": bool(re.match(r"(?:semi-)?(?:retired|former|ex|disgraced|fallen|deposed)\b", details.profession)),
    }
    return frozenset(name for name, holds in flags.items() if holds)


def _values(person: Person, details: Details, flags: frozenset[str]) -> dict[str, str]:
    """Return what the slots of the passages stand for."""
    random, decks = person.chance("values"), _table().table("decks")
    title = person.facts.name.title if person.facts.name else ""
    elder = random.choice(
        decks.texts("wild_elder" if person.species.kind == "animal" and person.setting in {"wild", "sea"} else "elder")
    )
    place = f"{'sea' if in_water(person.species) else person.setting}_place"
    place = place if place in decks.names() else "place"
    good, bad = _two(details.traits)
    return {
        "name": details.first_name,
        "full": " ".join(part for part in (title, details.first_name, details.last_name) if part),
        "species": details.species,
        "profession": details.profession,
        "aprofession": f"{indefinite(details.profession)} {details.profession}",
        "home": details.home,
        "goal": details.goal,
        "fear": details.fear,
        "dread": details.fear.split(",")[0],
        "habit": details.habit,
        "treasure": details.treasure,
        "strength": details.strength,
        "flaw": details.flaw,
        "good": good,
        "bad": bad,
        "agewords": number_words(details.age),
        "ago": _ago(details.age, person, random),
        "born": _years_ago(details.age),
        "place": random.choice(decks.texts(place)),
        "animalplace": random.choice(
            decks.texts(
                "water_animalplace"
                if in_water(person.species)
                else "big_animalplace"
                if is_big(person.species)
                else "animalplace"
            )
        ),
        "elder": elder,
        "theelder": re.sub(r"^an? ", "the ", elder),
        "season": random.choice(decks.texts("season")),
        "comes": person.facts.comes,
        "origin": person.facts.origin,
        "outside": "outside"
        if person.species.kind in {"animal", "creature", "plant"} or "infant" in flags
        else "at the door",
        "what": "",
    }


def _two(words: Sequence[str]) -> tuple[str, str]:
    """Return a good trait and a bad one; empty where there are not both."""
    good = [word for word in words if word in traits().good]
    bad = [word for word in words if word in traits().bad]
    return (good[0], bad[0]) if good and bad else ("", "")


def _years_ago(years: int) -> str:
    """Say when one began that is so many years old."""
    return "not long ago" if years < 1 else "a year ago" if years == 1 else f"{number_words(years)} years ago"


def _ago(age: int, person: Person, random: Random) -> str:
    """Say how long ago the event was, so that it fits into the life."""
    early = 5 if person.species.person else max(1, person.species.adult // 2)
    most = age - early
    if most < 1:
        return random.choice(("not long ago", "a few weeks ago", "this very year"))
    years = random.randint(max(1, most // 6), max(1, most * 2 // 3))
    if years == 1:
        return random.choice(("a year ago", "last year"))
    if years >= 100:
        hundreds = round(years / 100)
        return (
            random.choice(("a century ago", "a hundred years ago"))
            if hundreds == 1
            else f"{number_words(min(hundreds, 99))} hundred years ago"
            if hundreds < 10
            else f"some {round(years, -3) or 1000:,} years ago"
        )
    return f"{number_words(years)} years ago"
