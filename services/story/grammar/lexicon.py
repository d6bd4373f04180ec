"""Loads the lexicons and plots from the package's data files and checks them.

Data errors are the maintainer's mistakes, so they stop at load with the file and the entry named.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from services.story.grammar.checking import check
from services.story.grammar.entries import Beat, Genre, Lexicon, Object, Plot, Role, Spot, Thread, Tone
from services.story.grammar.table import LexiconInvalid, Table


def _roles(table: Table, key: str) -> tuple[Role, ...]:
    roles = tuple(Role(noun, pronoun, habit, name) for noun, pronoun, habit, name in table.fields(key, 4))
    for role in roles:
        if role.pronoun not in {"she", "he", "they", "it", "any"}:
            raise LexiconInvalid(f"{table.where}: '{key}': {role.noun}: no such pronoun: {role.pronoun}.")
    return roles


def _spots(table: Table, key: str) -> tuple[Spot, ...]:
    return tuple(Spot(prep, phrase, noun) for prep, phrase, noun in table.fields(key, 3))


def _genre(table: Table, key: str) -> Genre:
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


def _beat(table: Table) -> Beat:
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


def _plot(table: Table, key: str) -> Plot:
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


def _tone(table: Table, key: str) -> Tone:
    return Tone(key, table.words("aliases"), table.decks("decks"), table.banks("banks"))


def _threads(table: Table, key: str) -> tuple[Thread, ...]:
    return tuple(
        Thread(item.text("name"), item.passages("plant"), item.passages("echo"), item.passages("pay"))
        for item in table.tables(key)
    )


def _read(source: Traversable) -> Table:
    try:
        return Table(source.name, tomllib.loads(source.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise LexiconInvalid(f"{source.name}: {error}") from error


def data_folder() -> Traversable:
    """Return the folder of the data files, wherever the package is installed."""
    return files("services.story.grammar") / "data"


def _folder(name: str) -> list[tuple[str, Table]]:
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
    check(loaded)
    return loaded
