"""The entries of the grammar's data: what a genre, a tone, a plot and a motif consist of. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.story.grammar.template import Passage


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody a genre can supply.

    Attributes:
        noun: What they are ("ferrywoman").
        pronoun: "she", "he" or "they".
        habit: What they are seen doing, as a past-tense verb phrase.
        name: Their name; empty if they go by what they are.
    """

    noun: str
    pronoun: str
    habit: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: `prep` + `phrase` reads right ("at" + "the ford below the mill").

    Attributes:
        prep: "in", "at" or "on".
        phrase: The noun phrase with its article, or the proper name.
        noun: The bare noun, when `phrase` is a name.
    """

    prep: str
    phrase: str
    noun: str = ""


@dataclass(frozen=True, slots=True)
class Object:
    """A thing a genre can put at the heart of a story, with the mark by which it is known."""

    phrase: str
    mark: str


Banks = Mapping[str, tuple[Passage, ...]]


@dataclass(frozen=True, slots=True)
class Genre:
    """Everything a genre brings along."""

    key: str
    label: str
    aliases: frozenset[str]
    hints: frozenset[str]
    tone: str
    plots: tuple[str, ...]
    talking_animals: bool
    heroes: tuple[Role, ...]
    friends: tuple[Role, ...]
    rivals: tuple[Role, ...]
    elders: tuple[Role, ...]
    helpers: tuple[Role, ...]
    names: Mapping[str, tuple[str, ...]]
    homes: tuple[Spot, ...]
    far: tuple[Spot, ...]
    spots: tuple[Spot, ...]
    things: tuple[Object, ...]
    decks: Mapping[str, tuple[str, ...]]
    titles: tuple[Passage, ...]
    banks: Banks


@dataclass(frozen=True, slots=True)
class Tone:
    """What a tone brings along: words for its decks and passages for its banks."""

    key: str
    aliases: frozenset[str]
    decks: Mapping[str, tuple[str, ...]]
    banks: Banks


@dataclass(frozen=True, slots=True)
class Beat:
    """One step of a plot: `core` tells it, `brief` in one breath; `scene` and `more` dwell on it."""

    name: str
    summary: tuple[Passage, ...]
    titles: tuple[Passage, ...]
    brief: tuple[Passage, ...]
    core: tuple[Passage, ...]
    scene: tuple[Passage, ...]
    more: tuple[Passage, ...]
    skippable: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """A story's shape: its beats, and the verbs and genres it suits."""

    key: str
    label: str
    verbs: frozenset[str]
    want: Passage
    logline: tuple[Passage, ...]
    theme: str
    beats: tuple[Beat, ...]
    middle: int
    titles: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Thread:
    """A motif planted early, touched again, and paid back at the end."""

    key: str
    plant: tuple[Passage, ...]
    echo: tuple[Passage, ...]
    pay: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All data of the grammar."""

    genres: Mapping[str, Genre]
    tones: Mapping[str, Tone]
    plots: Mapping[str, Plot]
    episodes: tuple[Beat, ...]
    quirks: tuple[Thread, ...]
    sayings: tuple[Thread, ...]
    banks: Banks
    marks: tuple[str, ...]
    habits: tuple[str, ...]
