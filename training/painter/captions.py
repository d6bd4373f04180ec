"""Puts a scene into words, in many ways, and often tells only a part of it."""

import random
import re
from dataclasses import dataclass, field

from training.painter import words
from training.painter.scene import Person, Scene

Phrases = dict[str, tuple[str, str]]

LEFT_OUT = {"subject": 0.03, "colour": 0.12, "setting": 0.15, "time": 0.15}

_THING_TEMPLATES = (
    "{open} {a} {praise} {colour} {noun} {place} {when}",
    "{a} {praise} {colour} {noun} {place} {when}",
    "{a} {colour} {noun} {when} {place}",
    "{when}, {a} {colour} {noun} {place}",
    "{place}, {a} {praise} {colour} {noun} {when}",
    "{colour} {noun}, {setting}, {time}",
    "{time}, {setting}, {colour} {noun}",
    "{setting}, {colour} {noun}, {time}",
    "{open} {a} {noun} in {colour}, {place}, {when}",
    "{a} {noun} that is {colour}, {place} {when}",
    "{setting} at {time} with {a} {colour} {noun}",
    "the {colour} {noun} {verb} {place} {when}",
    "{when} {place}: the {praise} {colour} {noun}",
    "{noun}, {colour}, {place}, {when}",
    "{a} {noun} {verb} {place} {when}, the {noun} is {colour}",
    "{aside}, the {colour} {noun} {verb} {place} {when}",
    "{open} {a} {colour} {noun}, {time} {setting}",
)
_BARE_TEMPLATES = (
    "{colour} {noun} {place} {when}",
    "{setting}, {time}",
    "{open} the {setting} {when}",
    "{colour} {setting} {when}",
)

_PERSON_TEMPLATES = (
    "a portrait of {name}, {a} {age} {folk} {gender} {hair}, {clothes}",
    "portrait of {a} {temper} {folk} {role} {hair}, {clothes}, {place} {when}",
    "{name}, {a} {age} {folk} {gender} {hair} {clothes}",
    "{a} {folk} {gender} {hair}, {skin}, {clothes}, {place}, {when}",
    "{a} {age} {temper} {folk} {role}, {clothes}, {hair}, {habit}",
    "character portrait, {folk}, {gender}, {hairword}, {skinword}, {clothword}, {setting}, {time}",
    "{when} {place}, {a} {folk} {gender} {hair} {clothes}",
    "avatar of {name} the {folk} {role}: {hair}, {eyes}, {skin}, {clothes}",
    "{name} is {a} {temper} {folk} {gender} {hair} and {eyes}, {clothes}, {habit}",
    "the face of {a} {folk} {gender} {clothes}, {hair}, {place}",
    "{hairword} {folk} {gender} {place} {when}, {clothword}",
    "{a} {folk} {role} {place} {when}, {clothes}",
    "{open} {name}, {a} {folk} {gender}, {eyes}, {hair}, {clothes}, {skin}",
    "{folk} {gender}, {clothword}, {hairword}, {time}, {setting}",
    "portrait, {temper} {folk}, {clothes}, {hair}, {when}",
    "{name} ({folk} {gender}, {age}), {habit}, {hair}, {clothes}, {time}",
)


@dataclass(slots=True)
class Caption:
    """A text, and which attributes of the scene it tells.

    Attributes:
        text: what a user might have written.
        told: attribute to value, for those that the text mentions.
    """

    text: str
    told: dict[str, str] = field(default_factory=dict)


def write_caption(scene: Scene, lot: random.Random) -> Caption:
    """Write a caption of a scene, by lot."""
    phrases = _scene_phrases(scene, lot)
    if scene.person is None:
        bare = lot.random() < LEFT_OUT["subject"]
        if bare:
            phrases["noun"] = ("", "")
        template = lot.choice(_BARE_TEMPLATES if bare else _THING_TEMPLATES)
    else:
        phrases |= _person_phrases(scene, scene.person, lot)
        template = lot.choice(_PERSON_TEMPLATES)
    return _fill(template, phrases, lot)


def _scene_phrases(scene: Scene, lot: random.Random) -> Phrases:
    """Return phrase by slot, each with what it tells, as in "colour=red"; empty if it tells nothing."""
    tell = {attribute: lot.random() >= share for attribute, share in LEFT_OUT.items()}
    phrases: Phrases = {
        "praise": (_sometimes(lot, 0.35, words.PRAISE), ""),
        "open": (_sometimes(lot, 0.6, words.OPENINGS), ""),
        "verb": (lot.choice(words.VERBS), ""),
        "aside": (lot.choice(words.ASIDES), ""),
        "a": ("a", ""),
    }
    if scene.person is None:
        phrases["noun"] = (lot.choice(words.NOUNS[scene.subject]), f"subject={scene.subject}")
        phrases["colour"] = (
            (lot.choice(words.COLOUR_WORDS[scene.colour]), f"colour={scene.colour}") if tell["colour"] else ("", "")
        )
    place, when = f"setting={scene.setting}", f"time={scene.time}"
    phrases["place"] = (lot.choice(words.PLACES[scene.setting]), place) if tell["setting"] else ("", "")
    phrases["setting"] = (lot.choice(words.PLACE_NAMES[scene.setting]), place) if tell["setting"] else ("", "")
    phrases["when"] = (lot.choice(words.MOMENTS[scene.time]), when) if tell["time"] else ("", "")
    phrases["time"] = (lot.choice(words.MOMENT_NAMES[scene.time]), when) if tell["time"] else ("", "")
    return phrases


def _person_phrases(scene: Scene, person: Person, lot: random.Random) -> Phrases:
    phrases: Phrases = {
        "name": (lot.choice(words.NAMES) if lot.random() < 0.6 else made_up_name(lot), ""),
        "age": (_sometimes(lot, 0.6, words.AGES), ""),
        "temper": (_sometimes(lot, 0.7, words.TEMPERS), ""),
        "role": (lot.choice(words.ROLES), ""),
        "habit": (_sometimes(lot, 0.7, words.HABITS), ""),
        "folk": (lot.choice(words.FOLK_WORDS[person.folk]), f"folk={person.folk}"),
        "gender": (lot.choice(words.GENDER_WORDS[person.gender]), f"gender={person.gender}"),
    }
    eyes = lot.choice((f"with {person.eyes} eyes", f"{person.eyes} eyes", f"{person.eyes}-eyed"))
    phrases["eyes"] = (eyes, f"eyes={person.eyes}")
    if lot.random() < 0.88:
        phrases |= _hair_phrases(person, lot)
    if lot.random() >= LEFT_OUT["colour"]:
        phrases |= _clothes_phrases(scene.colour, lot)
    if lot.random() < 0.8:
        skin, told = lot.choice(words.SKIN_WORDS[person.skin]), f"skin={person.skin}"
        phrases["skin"] = (lot.choice((f"with {skin} skin", f"{skin} skin", f"{skin}-skinned")), told)
        phrases["skinword"] = (f"{skin} skin", told)
    return phrases


def _hair_phrases(person: Person, lot: random.Random) -> Phrases:
    hair = lot.choice(words.HAIR_WORDS[person.hair])
    length = person.length if lot.random() < 0.5 else ""
    beard = "and a beard" if person.beard and lot.random() < 0.5 else ""
    colour = f"hair={person.hair}"
    told = colour + (f" length={person.length}" if length else "") + (" beard=yes" if beard else "")
    plain = f"{length} {hair} hair {beard}"
    forms = (f"with {plain}", plain, f"whose hair is {length} {hair} {beard}")
    short = (f"{hair}-haired", colour) if lot.random() < 1 / 3 else (plain, told)
    return {"hair": (lot.choice(forms), told), "hairword": short}


def _clothes_phrases(colour: str, lot: random.Random) -> Phrases:
    garment, cloth = lot.choice(words.CLOTHES), lot.choice(words.COLOUR_WORDS[colour])
    forms = (
        f"wearing a {cloth} {garment}",
        f"in a {cloth} {garment}",
        f"dressed in {cloth}",
        f"wearing {cloth} {garment}",
        f"with a {cloth} {garment}",
        f"in {cloth}",
    )
    told = f"colour={colour}"
    return {"clothes": (lot.choice(forms), told), "clothword": (f"{cloth} {garment}", told)}


def _fill(template: str, phrases: Phrases, lot: random.Random) -> Caption:
    told: dict[str, str] = {}

    def phrase(match: re.Match[str]) -> str:
        text, tells = phrases.get(match[1], ("", ""))
        if text:
            told.update(dict(part.split("=", 1) for part in tells.split()))
        return text

    text = tidy(re.sub(r"\{(\w+)\}", phrase, template))
    if template in _PERSON_TEMPLATES:
        told["subject"] = "portrait"
    # Words that mean nothing, so that they learn to be passed over.
    if lot.random() < 0.25:
        text += ", " + ", ".join(lot.sample(words.STYLES, lot.randint(1, 3)))
    if lot.random() < 0.06:
        text = lot.choice(words.STYLES) + ", " + text
    if lot.random() < 0.08:
        text += ", " + lot.choice(words.ASIDES)
    if lot.random() < 0.2:
        text += "."
    return Caption(text, told)


def write_nothing(lot: random.Random) -> Caption:
    """Write words that tell nothing: of style, of quality, of names; such as stand in negative prompts."""
    return Caption(", ".join(lot.sample((*words.STYLES, *words.FAULTS), lot.randint(1, 6))))


def made_up_name(lot: random.Random) -> str:
    """Return a name that no list knows, so that pieces of unknown words are met in training."""
    name = "".join(
        lot.choice("bcdfghklmnprstvwyz") + lot.choice(("a", "e", "i", "o", "u", "ae", "ia"))
        for _ in range(lot.randint(1, 3))
    )
    return (name + lot.choice(("", "n", "r", "l", "s", "th", "ck"))).capitalize()


def _sometimes(lot: random.Random, share: float, choices: tuple[str, ...]) -> str:
    return lot.choice(choices) if lot.random() < share else ""


def tidy(text: str) -> str:
    """Mend what empty phrases leave behind: doubled spaces and commas, and "a" before vowels."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,.:)])", r"\1", text)
    text = re.sub(r"(, ?)+(?=[,.):])", "", text)
    text = re.sub(r"\( ?,? ?", "(", text).replace("()", "")
    text = re.sub(r"\b(in|is|at|and|is a|that is|the|whose)(?=[,.:)]|$)", "", text)
    text = re.sub(r"\ba (?=[aeiou])", "an ", text)
    return re.sub(r"\s+", " ", text).strip(" ,:")
