"""What a picture shows, as plain attributes, and how they are drawn by lot."""

import random
from dataclasses import dataclass

from training.painter.palette import COLOURS, EYES, HAIR

THINGS = ("castle", "cottage", "tower", "ship", "tree", "mountain", "dragon", "knight")
PORTRAIT = "portrait"
SUBJECTS = (*THINGS, PORTRAIT)
SETTINGS = ("hill", "sea", "forest", "desert", "snow")
TIMES = ("day", "sunset", "night")
FOLK = ("human", "elf", "orc", "dwarf")
GENDERS = ("woman", "man")
LENGTHS = ("short", "long")

PORTRAIT_SHARE = 0.3
SHIP_AT_SEA_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Person:
    """What a portrait shows besides its clothes and its background."""

    folk: str
    gender: str
    hair: str
    length: str
    skin: str
    eyes: str
    beard: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture: a subject of a colour in a setting at a time of day.

    Attributes:
        subject: one of `SUBJECTS`.
        colour: a name of `COLOURS`: of the thing, or of the clothes in a portrait.
        setting: one of `SETTINGS`.
        time: one of `TIMES`.
        person: who is portrayed; None unless the subject is a portrait.
        seed: of the small differences of place, size and shape.
    """

    subject: str
    colour: str
    setting: str
    time: str
    person: Person | None
    seed: int


def draw_person(lot: random.Random) -> Person:
    """Draw a person by lot; folk, hair and beard hang together as readers of fairy tales expect."""
    folk = lot.choices(FOLK, (4, 2.5, 2, 1.5))[0]
    gender = lot.choice(GENDERS)
    long = lot.random() < (0.85 if gender == "woman" else 0.2)
    bearded = gender == "man" and folk != "elf" and lot.random() < (1.0 if folk == "dwarf" else 0.25)
    skin = "green" if folk == "orc" else lot.choice(("light", "tan", "dark"))
    return Person(
        folk=folk,
        gender=gender,
        hair=lot.choice(tuple(HAIR)),
        length="long" if long else "short",
        skin=skin,
        eyes=lot.choice(tuple(EYES)),
        beard=bearded,
    )


def draw_scene(lot: random.Random, weights: dict[str, float] | None = None) -> Scene:
    """Draw a scene by lot.

    Args:
        lot: the source of chance.
        weights: how often each thing is drawn, 1 where unnamed; portraits have a share of their own.
    """
    chances = [(weights or {}).get(thing, 1.0) for thing in THINGS]
    subject = PORTRAIT if lot.random() < PORTRAIT_SHARE else lot.choices(THINGS, chances)[0]
    setting = lot.choice(SETTINGS)
    if subject == "ship" and lot.random() < SHIP_AT_SEA_SHARE:
        setting = "sea"
    return Scene(
        subject=subject,
        colour=lot.choice(tuple(COLOURS)),
        setting=setting,
        time=lot.choice(TIMES),
        person=draw_person(lot) if subject == PORTRAIT else None,
        seed=lot.getrandbits(32),
    )
