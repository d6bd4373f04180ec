"""Prompts for the judgement, in wordings that training never has: no template here is one of `captions`."""

import random
from dataclasses import dataclass

from training.painter.palette import COLOURS, HAIR
from training.painter.scene import FOLK, PORTRAIT, SETTINGS, SUBJECTS, TIMES

_NOUNS = {
    "castle": ("castle", "fortress", "old castle"),
    "cottage": ("cottage", "house", "little cottage"),
    "tower": ("tower", "watchtower", "round tower"),
    "ship": ("ship", "sailboat", "ship with two sails"),
    "tree": ("tree", "oak", "single tree"),
    "mountain": ("mountain", "peak", "steep mountain"),
    "dragon": ("dragon", "baby dragon", "young dragon"),
    "knight": ("knight", "knight with a sword and shield", "paladin"),
}
_COLOURS = {
    "red": ("red", "bright red", "crimson"),
    "orange": ("orange", "bright orange"),
    "gold": ("golden", "yellow"),
    "green": ("green", "emerald green"),
    "teal": ("teal", "turquoise"),
    "blue": ("blue", "deep blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "soft pink"),
    "brown": ("brown", "plain brown"),
    "gray": ("gray", "grey"),
    "black": ("black", "pitch black"),
    "white": ("white", "pure white"),
}
_PLACES = {
    "hill": ("on top of a hill", "in the green hills", "on a meadow full of grass"),
    "sea": ("beside the sea", "surrounded by the ocean", "with the sea all around"),
    "forest": ("inside a forest", "with a forest behind it", "hidden in the woods"),
    "desert": ("out in the desert", "in a desert of sand", "lost among the dunes"),
    "snow": ("covered by snow", "in deep snow", "on a cold winter field"),
}
_TIMES = {
    "day": ("in the daytime", "on a bright sunny day", "at noon"),
    "sunset": ("as a sunset glows", "during sunset", "at dusk"),
    "night": ("late at night", "at midnight", "on a starry night"),
}
_THING_TEMPLATES = (
    "I would like to see a {colour} {noun} {place} {time}",
    "please paint me the {colour} {noun} of the story, {place}, {time}!",
    "{time} we reached a {colour} {noun} {place}",
    "Book cover showing one {colour} {noun} {place}, {time}",
    "What a wonderful {colour} {noun} {place} {time}, said the king",
    "a very {colour} {noun}; it is {place}; {time}",
    "THE {colour} {noun}, {place}, {time}, award winning",
    "There was {place} a {colour} {noun} {time}",
)
_PERSON_TEMPLATES = (
    "close-up of a smiling {folk} with {hair} hair and {colour} clothes, {place}, {time}",
    "a {folk} called Quillon has {hair} hair and wears a {colour} mantle {time} {place}",
    "hero of the tale: {folk}, {hair} hair, {colour} coat, {time}, {place}",
    "{time}, {place}, a portrait of one {folk}; hair: {hair}; clothing: {colour}",
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text, and the attributes that its picture should have."""

    text: str
    wanted: dict[str, str]


def write_prompts(count: int, seed: int = 1) -> list[Prompt]:
    """Write prompts by lot, each subject equally often; every prompt names all attributes."""
    lot = random.Random(seed)
    return [_write(SUBJECTS[number % len(SUBJECTS)], lot) for number in range(count)]


def _write(subject: str, lot: random.Random) -> Prompt:
    wanted = {
        "subject": subject,
        "colour": lot.choice(tuple(COLOURS)),
        "setting": lot.choice(SETTINGS),
        "time": lot.choice(TIMES),
    }
    slots = {
        "colour": lot.choice(_COLOURS[wanted["colour"]]),
        "place": lot.choice(_PLACES[wanted["setting"]]),
        "time": lot.choice(_TIMES[wanted["time"]]),
    }
    if subject != PORTRAIT:
        return Prompt(lot.choice(_THING_TEMPLATES).format(noun=lot.choice(_NOUNS[subject]), **slots), wanted)
    wanted |= {"folk": lot.choice(FOLK), "hair": lot.choice(tuple(HAIR))}
    hair = {"blond": "blonde", "silver": "silver-white"}.get(wanted["hair"], wanted["hair"])
    return Prompt(lot.choice(_PERSON_TEMPLATES).format(folk=wanted["folk"], hair=hair, **slots), wanted)
