"""What there is to be: species, how long they live, and the words that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from services.character.grammar.table import LexiconInvalid, Table, read_table, spread

_KINDS = frozenset({"person", "creature", "machine", "plant", "thing", "animal"})
_STAGES = {"baby": "newborn", "young": "child", "old": "old"}


@dataclass(frozen=True, slots=True)
class Species:
    """One thing to be.

    Attributes:
        name: "human", "red fox".
        kind: "person", "animal", "creature", "machine", "plant" or "thing": what is true of all of them.
        cover: What is to be seen on the outside: "skin", "fur", "metal" …
        names: The group of names it takes.
        adult: Age in years from which it is grown up.
        old: Age in years from which it is old.
    """

    name: str
    kind: str
    cover: str
    names: str
    adult: int
    old: int

    @property
    def person(self) -> bool:
        """Tell whether one says woman and man of it, not female and male."""
        return self.kind == "person"


@dataclass(frozen=True, slots=True)
class Named:
    """A word for a species, and what else it tells: "f" or "m", and a stage of life; empty where nothing."""

    species: str
    gender: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Kinds:
    """All species and the words for them."""

    species: Mapping[str, Species]
    words: Mapping[str, Named]
    babies: frozenset[str]
    general: frozenset[str]

    def of(self, name: str) -> Species:
        """Return a species; one that nobody has heard of is somebody, and lives about as long as people do."""
        whole = self.species.get(name.rpartition(" ")[2])  # "air elemental"
        return self.species.get(name) or replace(whole or Species(name, "person", "skin", "folk", 18, 90), name=name)


@cache
def kinds() -> Kinds:
    """Load the species. Raises `LexiconInvalid`."""
    table = read_table("species")
    species: dict[str, Species] = {}
    words: dict[str, Named] = {}
    classes = table.table("classes")
    for key in classes.names():
        _class(classes.table(key), species, words)
    animals = table.table("animals")
    for cover in animals.names():
        _animals(animals.table(cover), cover, species, words)
    general = table.table("more").words("general")
    for name in general:
        species.setdefault(name, Species(name, "animal", "fur", "animal", 2, 12))
        words.setdefault(name, Named(name))
    for word, told in ((word, table.table("aliases").text(word)) for word in table.table("aliases").names()):
        words[word.replace("_", " ")] = _alias(word, told, species)
    return Kinds(species, words, frozenset(table.table("more").words("babies")), frozenset(general))


def _class(table: Table, species: dict[str, Species], words: dict[str, Named]) -> None:
    kind = table.text("kind")
    if kind not in _KINDS:
        raise LexiconInvalid(f"{table.where}: no such kind: {kind}.")
    for name, adult, old, others in table.fields("rows", 4):
        if not (adult.isdigit() and old.isdigit() and int(adult) <= int(old)):
            raise LexiconInvalid(f"{table.where}: {name}: two ages are needed, the lesser first.")
        species[name] = Species(name, kind, table.text("cover"), table.text("names"), int(adult), int(old))
        for word in (name, *spread(others)):
            words[word.lower()] = Named(name)


def _animals(table: Table, cover: str, species: dict[str, Species], words: dict[str, Named]) -> None:
    for age in table.names():
        for name in table.words(age):
            old = int(age)
            species.setdefault(name, Species(name, "animal", cover, "animal", max(1, old // 8) if old > 1 else 0, old))
            words.setdefault(name, Named(name))


def _alias(word: str, told: str, species: Mapping[str, Species]) -> Named:
    parts = told.split()
    gender = next((part for part in parts if part in {"f", "m"}), "")
    stage = next((_STAGES[part] for part in parts if part in _STAGES), "")
    name = " ".join(part for part in parts if part not in {"f", "m", *_STAGES})
    if name not in species:
        raise LexiconInvalid(f"species.toml.aliases: {word}: no such species: {name}.")
    return Named(name, gender, stage)
