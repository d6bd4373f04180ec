"""Loads the lexicons and plots from the package's data files and checks them.

Data errors are the maintainer's mistakes, so they stop at load with the file and the entry named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from services.story.grammar.template import Passage, TemplateInvalid, parse


class LexiconInvalid(ValueError):
    """A data file of the grammar is not as it must be; the message names the file and the entry."""


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


class _Table:
    """One TOML table with typed access and errors that name where they are."""

    def __init__(self, where: str, data: Mapping[str, Any]) -> None:
        self.where = where
        self._data = data

    def text(self, key: str, default: str | None = None) -> str:
        value = self._data.get(key, default)
        if not isinstance(value, str):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a text.")
        return value

    def number(self, key: str, default: int) -> int:
        value = self._data.get(key, default)
        if not isinstance(value, int):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a whole number.")
        return value

    def words(self, key: str) -> frozenset[str]:
        return frozenset(word.replace("_", " ") for word in self.text(key, "").split())

    def texts(self, key: str, *, needed: bool = True) -> tuple[str, ...]:
        value = self._data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or (needed and not value):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a list of texts.")
        return tuple(value)

    def passages(self, key: str, *, needed: bool = True) -> tuple[Passage, ...]:
        return tuple(self._parsed(key, source) for source in self.texts(key, needed=needed))

    def passage(self, key: str) -> Passage:
        return self._parsed(key, self.text(key))

    def _parsed(self, key: str, source: str) -> Passage:
        try:
            return parse(source)
        except TemplateInvalid as error:
            raise LexiconInvalid(f"{self.where}: '{key}': {error}") from error

    def table(self, key: str) -> _Table:
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a table.")
        return _Table(f"{self.where}.{key}", value)

    def tables(self, key: str) -> list[_Table]:
        value = self._data.get(key, [])
        if not isinstance(value, list) or not value:
            raise LexiconInvalid(f"{self.where}: '{key}' must be a list of tables.")
        return [_Table(f"{self.where}.{key}[{index}]", item) for index, item in enumerate(value)]

    def decks(self, key: str) -> dict[str, tuple[str, ...]]:
        table = self.table(key)
        return {name: table.texts(name) for name in table._data}

    def banks(self, key: str) -> dict[str, tuple[Passage, ...]]:
        table = self.table(key)
        return {name: table.passages(name) for name in table._data}

    def fields(self, key: str, count: int) -> list[list[str]]:
        """Read "a | b | c" lines of exactly `count` fields."""
        rows = [[field.strip() for field in line.split("|")] for line in self.texts(key)]
        for row in rows:
            if len(row) != count:
                raise LexiconInvalid(f"{self.where}: '{key}': {' | '.join(row)!r} must have {count} fields.")
        return rows


def _roles(table: _Table, key: str) -> tuple[Role, ...]:
    roles = tuple(Role(noun, pronoun, habit, name) for noun, pronoun, habit, name in table.fields(key, 4))
    for role in roles:
        if role.pronoun not in {"she", "he", "they", "it", "any"}:
            raise LexiconInvalid(f"{table.where}: '{key}': {role.noun}: no such pronoun: {role.pronoun}.")
    return roles


def _spots(table: _Table, key: str) -> tuple[Spot, ...]:
    return tuple(Spot(prep, phrase, noun) for prep, phrase, noun in table.fields(key, 3))


def _genre(table: _Table, key: str) -> Genre:
    names = table.table("names")
    return Genre(
        key=key,
        label=table.text("label"),
        aliases=table.words("aliases"),
        hints=table.words("hints"),
        tone=table.text("tone"),
        plots=tuple(table.text("plots").split()),
        talking_animals=table.text("talking_animals", "no") == "yes",
        heroes=_roles(table, "heroes"),
        friends=_roles(table, "friends"),
        rivals=_roles(table, "rivals"),
        elders=_roles(table, "elders"),
        helpers=_roles(table, "helpers"),
        names={pronoun: tuple(names.text(pronoun).split()) for pronoun in ("she", "he", "family")},
        homes=_spots(table, "homes"),
        far=_spots(table, "far"),
        spots=_spots(table, "spots"),
        things=tuple(Object(phrase, mark) for phrase, mark in table.fields("things", 2)),
        decks=table.decks("decks"),
        titles=table.passages("titles"),
        banks=table.banks("banks"),
    )


def _beat(table: _Table) -> Beat:
    return Beat(
        name=table.text("name"),
        summary=table.passages("summary"),
        titles=table.passages("titles"),
        brief=table.passages("brief", needed=False),
        core=table.passages("core"),
        scene=table.passages("scene", needed=False),
        more=table.passages("more", needed=False),
        skippable=table.text("skip", "no") == "yes",
    )


def _plot(table: _Table, key: str) -> Plot:
    beats = tuple(_beat(item) for item in table.tables("beat"))
    return Plot(
        key=key,
        label=table.text("label"),
        verbs=table.words("verbs"),
        want=table.passage("want"),
        logline=table.passages("logline"),
        theme=table.text("theme"),
        beats=beats,
        middle=table.number("middle", len(beats) // 2),
        titles=table.passages("titles"),
    )


def _tone(table: _Table, key: str) -> Tone:
    return Tone(key, table.words("aliases"), table.decks("decks"), table.banks("banks"))


def _threads(table: _Table, key: str) -> tuple[Thread, ...]:
    return tuple(
        Thread(item.text("name"), item.passages("plant"), item.passages("echo"), item.passages("pay"))
        for item in table.tables(key)
    )


def _read(source: Traversable) -> _Table:
    try:
        return _Table(source.name, tomllib.loads(source.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise LexiconInvalid(f"{source.name}: {error}") from error


def data_folder() -> Traversable:
    """Return the folder of the data files, wherever the package is installed."""
    return files("services.story.grammar") / "data"


def _folder(name: str) -> list[tuple[str, _Table]]:
    """Read a folder's files in the order of their names, which every machine shares."""
    found = [item for item in (data_folder() / name).iterdir() if item.name.endswith(".toml")]
    return [(item.name.removesuffix(".toml"), _read(item)) for item in sorted(found, key=lambda item: item.name)]


@cache
def lexicon() -> Lexicon:
    """Load and check all data files; they are read once per process.

    Raises:
        LexiconInvalid: a file is not as it must be.
    """
    shared = _read(data_folder() / "shared.toml")
    threads = _read(data_folder() / "threads.toml")
    loaded = Lexicon(
        genres={key: _genre(table, key) for key, table in _folder("genres")},
        tones={key: _tone(table, key) for key, table in _folder("tones")},
        plots={key: _plot(table, key) for key, table in _folder("plots")},
        episodes=tuple(_beat(item) for item in _read(data_folder() / "episodes.toml").tables("episode")),
        quirks=_threads(threads, "quirk"),
        sayings=_threads(threads, "saying"),
        banks=shared.banks("banks"),
        marks=shared.texts("marks"),
        habits=shared.texts("habits"),
    )
    _check_references(loaded)
    return loaded


def _check_references(loaded: Lexicon) -> None:
    for genre in loaded.genres.values():
        unknown = [key for key in genre.plots if key not in loaded.plots]
        if unknown:
            raise LexiconInvalid(f"{genre.key}.toml: 'plots' names unknown plots: {', '.join(unknown)}.")
        if genre.tone not in loaded.tones:
            raise LexiconInvalid(f"{genre.key}.toml: 'tone' names an unknown tone: {genre.tone}.")
