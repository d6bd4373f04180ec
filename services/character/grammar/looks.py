"""Says how somebody looks and how one would draw it: what is stated first, then what goes with it. Pure."""

from __future__ import annotations

import re
from functools import cache
from random import Random

from services.character.domain import Wish
from services.character.grammar.english import listed, tidy
from services.character.grammar.lists import listed_in
from services.character.grammar.setting import Person
from services.character.grammar.table import Table, read_table
from services.character.grammar.template import fitting, render

_HAIR = re.compile(
    r"hair|bald|wig|mohawk|braid|plait|ponytail|pigtail|curls|dreadlocks|blond|brunette|redhead|ginger|"
    r"hooded|turban|helmet|mane|beard"
)
_EYES = re.compile(
    r"\beyes?\b|eyed|blind|glasses|spectacles|goggles|monocle|eyepatch|mask|faceless|headless|gaze|stare"
)
_CLOTHES = re.compile(
    r"^wearing |coat|cloak|robe|dress|jacket|apron|uniform|suit|armou?r|shirt|cape|gown|overalls|hoodie|"
    r"sweater|waistcoat|tunic"
)
_OUTSIDE = re.compile(
    r"fur|coat|feather|plumage|scale|skin|shell|spot|stripe|casing|plating|chassis|dent|rust|hide|fleece|"
    r"petal|leaves|bark|made of"
)


def physical(person: Person, wish: Wish, voice: str) -> str:
    """Describe how somebody looks, in one to three sentences.

    Args:
        person: Who it is.
        wish: What was asked for; what a picture tells goes first and is not contradicted.
        voice: The features that were stated, in the order written, one to a line.
    """
    seen = wish.looks.physical_description.strip() if wish.looks else ""
    features = [line for line in voice.split("\n") if line]
    known = " ".join((*features, *person.facts.looks, *person.facts.traits, seen)).lower()
    told = [_first(person, features, known)]
    told += _second(person, features, known)
    text = tidy(" ".join(_closed(part) for part in told if part))
    return f"{_closed(seen)} {_kept(text, 2)}".strip() if seen else _kept(text, 3)


def _closed(sentence: str) -> str:
    sentence = sentence.strip()
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _kept(text: str, count: int) -> str:
    """Keep the first sentences of a text."""
    return " ".join(re.split(r"(?<=[.!?]) (?=[A-Z])", text)[:count])


@cache
def _sheet() -> Table:
    return read_table("sheet")


def _colour(person: Person, random: Random) -> str:
    """Return the colour of fur, feathers or scales."""
    table = _sheet().table("colours")
    known = next((key for key in (person.species.name, person.species.cover) if key in table.names()), "fur")
    return random.choice(table.texts(known))


def _row(person: Person, key: str, random: Random) -> str:
    return render(
        random.choice(fitting(_sheet().table("faces").texts(key), person.flags)),
        random,
        person.pronouns,
        {"colour": _colour(person, random)},
        whole=False,
    )


def _first(person: Person, features: list[str], known: str) -> str:
    """Make the sentence that tells of build, hair and eyes."""
    they, is_ = person.pronouns.they, "are" if person.pronouns.plural else "is"
    random = person.chance("build")
    looks = list(person.facts.looks)
    things = [feature for feature in features if not feature.startswith("wearing ")]
    if not person.species.person or person.species.cover not in {"skin", "pallor", "glow", "alien"}:
        told = listed(looks) if looks else ""
        parts = f"{they} {is_} {told}" if told else ""
        had = f"{they} {_has(person)} {listed(things)}" if things else ""
        return " and ".join(part for part in (parts, had) if part)
    if not set(looks) & listed_in("build") and not any(look in known for look in ("legged", "build", "frame")):
        looks.append(_row(person, _build(person), random))
    with_ = list(things)
    if person.species.cover in {"skin", "pallor"} and person.species.name not in listed_in("bare_bones"):
        if not _HAIR.search(known):
            with_.append(_row(person, _hair(person), random))
        if not _EYES.search(known):
            dark = person.facts.people in listed_in("dark")
            with_.append(
                _row(person, "dark_eyes" if dark else "eyes" if person.species.name == "human" else "fey_eyes", random)
            )
    about = (
        ", ".join(looks[:-1]) + " and " + looks[-1] if len(looks) == 2 and " " not in looks[-1] else ", ".join(looks)
    )
    return f"{they} {is_} {about}" + (f", with {listed(with_)}" if with_ else "")


def _hair(person: Person) -> str:
    if person.stage == "old" and person.species.name in {"human", "dwarf"}:
        return "old_hair"
    return "dark_hair" if person.facts.people in listed_in("dark") else "hair"


def _has(person: Person) -> str:
    return "have" if person.pronouns.plural else "has"


def _build(person: Person) -> str:
    name, names = person.species.name, person.species.names
    if name in listed_in("tiny_folk"):
        return "small_build"
    if name in listed_in("big_folk"):
        return "big_build"
    if names == "elf" and person.stage != "child":
        return "elf_build"
    if names == "dwarf":
        return "dwarf_build"
    return "child_build" if person.stage == "child" else "build"


def _second(person: Person, features: list[str], known: str) -> list[str]:
    """Make the sentences that tell of clothes, covering and what one notices."""
    they, random = person.pronouns.they, person.chance("second")
    worn = [feature.removeprefix("wearing ") for feature in features if feature.startswith("wearing ")]
    wears = "wear" if person.pronouns.plural else "wears"
    told = [f"{they} {wears} {listed(worn)}"] if worn else []
    cover = person.species.cover
    if person.species.name in listed_in("bodiless"):
        return [*told, f"There is little to see of {person.pronouns.them} but a small amber light that dims in thought"]
    covered = cover != "skin" or not person.species.person
    if covered and person.species.name not in listed_in("bare_bones") and not _OUTSIDE.search(known):
        told.append(_row(person, cover, random))
    if person.species.person:
        if not worn and not _CLOTHES.search(known) and cover in {"skin", "pallor"} and person.species.names != "fae":
            told.append(f"{they} {wears} {_row(person, 'clothes', random)}")
        told.append(_row(person, "tell", random) if random.random() < 0.5 or not features else "")
    elif cover == "metal":
        told.append(_row(person, "metal_tell", random))
    elif person.species.kind == "animal":
        told.append(_row(person, "animal_tell", random))
    elif person.species.kind == "creature":
        told.append(
            _row(
                person,
                "body" if person.species.names == "dragon" and person.stage != "child" and not known else "tell",
                random,
            )
        )
    return [part for part in told if part]


def drawn(person: Person, wish: Wish) -> str:
    """Say how one would draw it: what the style asks for, what a picture showed, and what goes with both."""
    table, random = _sheet().table("styles"), person.chance("style")
    parts = [
        part.strip(" .,;\n")
        for part in (wish.style, wish.looks.visual_style if wish.looks else "")
        if part.strip(" .,;\n")
    ]
    if not parts:
        parts.append(random.choice(table.texts("base")))
    key = person.mood or (
        person.species.kind if person.species.kind == "machine" and person.setting != "space" else person.setting
    )
    if sum(len(part) for part in parts) < 160:
        parts.append(random.choice(table.texts(key)))
    return ", ".join(parts)
