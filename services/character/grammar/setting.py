"""Who somebody is, decided: what is stated holds, and the rest is chosen to go with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from services.character.domain import Wish
from services.character.grammar.english import HE, IT, SHE, THEY, Pronouns
from services.character.grammar.facts import Facts
from services.character.grammar.lists import listed_in
from services.character.grammar.naming import first_names
from services.character.grammar.reading import read
from services.character.grammar.species import Species, kinds
from services.character.grammar.table import read_table
from services.character.grammar.words import people

_STAGES = {
    "newborn": (0.0, 0.0),
    "infant": (0.0, 0.06),
    "toddler": (0.06, 0.17),
    "child": (0.34, 0.62),
    "tween": (0.56, 0.68),
    "teen": (0.73, 1.0),
}
_GROWN = {
    "young": (0.02, 0.22),
    "adult": (0.1, 0.75),
    "middle": (0.45, 0.68),
    "older": (0.7, 0.95),
    "old": (0.93, 1.15),
    "ancient": (1.2, 1.35),
}
_EARLIEST_WORK, _GROWN_UP = 18, 16
"""The least years at which one begins what is then done for years, and from which nobody is told of as a child."""
_TENS = {"sixties": (61, 69), "seventies": (71, 79), "eighties": (81, 89), "nineties": (91, 98), "hundred": (100, 104)}
_SETTINGS = {
    "sea": "sea ship sailor captain pirate lighthouse harbour harbor fisher fisherman whaler island shore coast "
    "boat submarine diver navigator tide ocean",
    "space": "space star starship planet moon mars galaxy station orbit asteroid astronaut cosmonaut alien robot "
    "android cyborg spaceship freighter colony",
    "fantasy": "knight wizard witch dragon elf dwarf castle kingdom magic sword quest sorceress warlock bard paladin "
    "mage archer ranger warrior druid prince princess king queen realm tower alchemist squire rogue "
    "potion",
    "country": "farm farmer shepherd village miller gardener beekeeper orchard cottage meadow barn herd sheep fields",
    "town": "detective nurse teacher police taxi tram office city street flat shop baker accountant librarian "
    "journalist lawyer student school engineer scientist museum hotel factory spy restaurant",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Everything decided before names, looks and history.

    Attributes:
        facts: What was stated.
        species: What it is.
        age: In years.
        stage: "child", "young", "adult" or "old", by its own kind's measure.
        sex: "f", "m", "nb" or "none".
        gender: The word for it: "woman".
        pronouns: How it is spoken of.
        setting: "town", "country", "sea", "fantasy", "space", "wild" or "spirit": where it goes best.
        mood: "dark", "children", "funny", "soft", "bright", "brass" or empty: what the style asks for.
        flags: All of it as flags for templates.
        key: What chance is drawn from.
    """

    facts: Facts
    species: Species
    age: int
    stage: str
    sex: str
    gender: str
    pronouns: Pronouns
    setting: str
    mood: str
    flags: frozenset[str]
    key: str

    def chance(self, what: str) -> Random:
        """Return the chance by which one thing is chosen: the same for the same wish, whatever else is chosen."""
        return Random(f"{self.key}/{what}")


@cache
def moods() -> dict[str, str]:
    """Return the words of a style that set a mood."""
    table = read_table("sheet").table("moods")
    return {word: table.text(word) for word in table.names()}


def decide(wish: Wish) -> Person:
    """Decide what somebody is, how old, of what gender, and where it goes best."""
    facts = read(wish.description)
    seen = read(wish.looks.physical_description) if wish.looks and wish.looks.physical_description.strip() else Facts()
    key = f"{wish.seed}/{wish.description}/{wish.style}/{wish.looks.physical_description if wish.looks else ''}"
    species = _species(facts, seen)
    stage = facts.stage or ("" if facts.age else seen.stage)
    age = _age(facts, stage, species, Random(f"{key}/age"))
    if facts.age is None and facts.passed:
        age = max(age, min(species.adult, _EARLIEST_WORK) + facts.passed)
    grown = "child" if facts.rank in {"girl", "boy"} and age < _GROWN_UP else _stage(age, species)
    sex = _sex(facts, seen, species, Random(f"{key}/sex"))
    setting = _setting(wish, facts, species, Random(f"{key}/setting"))
    mood = next((moods()[word] for word in _words(wish.style) if word in moods()), "")
    infant = age < (4 if species.person else 1) and species.kind in {"person", "animal", "creature", "machine"}
    flags = {species.kind, species.cover, grown, setting, *([mood] if mood else []), *(["infant"] if infant else [])}
    return Person(
        facts,
        species,
        age,
        grown,
        sex,
        _gender(sex, species, grown, facts),
        _pronouns(facts, sex),
        setting,
        mood,
        frozenset(flags),
        key,
    )


def _words(text: str) -> list[str]:
    return "".join(char if char.isalnum() or char == "-" else " " for char in text.lower()).split()


def _species(facts: Facts, seen: Facts) -> Species:
    if facts.species:
        return _halved(facts.species)
    if seen.species and not (facts.rank or facts.profession):
        return _halved(seen.species)
    return kinds().of("human")


def _halved(name: str) -> Species:
    """Return a species; of half a one, one that lives half as long beyond a person's age."""
    if name in kinds().species or not name.startswith("half-"):
        return kinds().of(name)
    whole = kinds().of(name.removeprefix("half-").split(",")[0])
    return Species(name, "person", "skin", "folk", 18, max(60, (whole.old + 75) // 2))


def _age(facts: Facts, stage: str, species: Species, random: Random) -> int:
    if facts.age is not None:
        return random.randint(facts.age.low, max(facts.age.low, facts.age.high))
    if stage in _TENS:
        return random.randint(*_TENS[stage])
    rank = (facts.profession.split() or [""])[-1] in people().rank
    if not stage:
        low, high = (0.45, 0.85) if rank else (0.08, 0.8)
        return max(1, round(species.adult + (species.old - species.adult) * random.uniform(low, high)))
    if stage in _STAGES:
        low, high = _STAGES[stage]
        if species.kind in {"machine", "thing", "animal", "plant"} and stage in {"child", "tween", "teen"}:
            low, high = 0.4, 0.9
        return round((species.adult - (1 if stage == "tween" else 0)) * random.uniform(low, high))
    low, high = _GROWN[stage]
    if stage == "old" and species.old <= 2:
        return species.old
    return max(species.adult, round(species.adult + (species.old - species.adult) * random.uniform(low, high)))


def _stage(age: int, species: Species) -> str:
    grown = min(16.0, species.adult * 0.9) if species.person else species.adult * 0.9
    if age < grown and species.kind not in {"machine", "thing"}:
        return "child"
    span = max(1, species.old - species.adult)
    share = (age - species.adult) / span
    return "old" if share >= 0.8 else "young" if share < 0.18 and species.kind == "person" else "adult"


def _sex(facts: Facts, seen: Facts, species: Species, random: Random) -> str:
    if facts.gender:
        return facts.gender
    named = first_names().get(facts.name.first.lower(), "") if facts.name else ""
    if named or seen.gender:
        return named or seen.gender
    if species.kind in {"machine", "thing", "plant"} or species.cover == "jelly":
        return "none"
    return random.choices(("f", "m", "nb" if species.person else "f"), weights=(47, 47, 6))[0]


def _gender(sex: str, species: Species, stage: str, facts: Facts) -> str:
    if sex in {"nb", "none"}:
        return "nonbinary" if sex == "nb" else "none"
    if not species.person:
        return "female" if sex == "f" else "male"
    small = stage == "child" and facts.rank not in {"woman", "man", "lady", "gentleman"}
    if small or facts.rank in {"girl", "boy"}:
        return "girl" if sex == "f" else "boy"
    return "woman" if sex == "f" else "man"


def _pronouns(facts: Facts, sex: str) -> Pronouns:
    stated = {"she": SHE, "he": HE, "it": IT, "they": THEY}.get(
        facts.pronoun if not facts.spoken or facts.gender == "nb" else ""
    )
    return stated or {"f": SHE, "m": HE, "nb": THEY, "none": IT}[sex]


def _setting(wish: Wish, facts: Facts, species: Species, random: Random) -> str:
    if species.kind == "animal" and not facts.profession:
        return "sea" if species.name in listed_in("water") else "wild"
    words = set(_words(f"{wish.description} {wish.style} {facts.profession} {species.name}"))
    scores = {key: len(words & set(listed.split())) for key, listed in _SETTINGS.items()}
    best = max(scores.values())
    if best:
        return next(key for key, score in scores.items() if score == best)
    if species.cover == "pallor":
        return "spirit"
    if species.kind == "animal":
        return "wild"
    if species.kind in {"creature", "plant"} or (
        species.person and species.name not in {"human", "vampire", "werewolf"} and species.names != "alien"
    ):
        return "fantasy"
    return random.choice(("town", "town", "country", "sea")) if species.name == "human" else "town"


def is_pet(species: Species) -> bool:
    """Tell whether an animal lives with people."""
    return species.name in listed_in("pets")


def is_big(species: Species) -> bool:
    """Tell whether an animal is too large for hedges and hollows."""
    large = species.cover in {"fur", "skin"} and species.old >= 16
    return species.kind == "animal" and large and species.name not in listed_in("small") and not in_water(species)


def in_water(species: Species) -> bool:
    """Tell whether it lives in water."""
    return species.name in listed_in("water")
