"""Checks that everything the data asks for is there: plots, tones, and something to fill every slot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from services.story.grammar.english import words
from services.story.grammar.entries import Banks, Beat, Lexicon
from services.story.grammar.table import LexiconInvalid
from services.story.grammar.template import Choice, Node, Passage, Slot

_PERSONS = words("hero friend rival elder pet helper extra")
_PERSON_FORMS = words("o p he him his himself name full call the a n habit new said asked") | {""}
_PLACES = words("home far spot")
_PLACE_FORMS = words("name in to from n the") | {""}
_THING_FORMS = words("a the n phrase it ito its was that this is has does s one whole") | {""}
_SUBJECT_AS_OBJECT = re.compile(
    r"\b(?:to|with|at|about|beside|told|saw|[Ff]rom) \{(?:hero|friend|rival|elder|helper|pet)\}"
)
_WORDS = words("was want mark deed together cameo told crowd")


def check(loaded: Lexicon) -> None:
    """Stop at the first reference to something that is not there.

    Raises:
        LexiconInvalid: a genre names a plot or tone that does not exist, a slot cannot be filled in every story, or a
            person is spoken of as the subject where an object stands.
    """
    for genre in loaded.genres.values():
        unknown = [key for key in genre.plots if key not in loaded.plots]
        if unknown:
            raise LexiconInvalid(f"{genre.key}.toml: 'plots' names unknown plots: {', '.join(unknown)}.")
        if genre.tone not in loaded.tones:
            raise LexiconInvalid(f"{genre.key}.toml: 'tone' names an unknown tone: {genre.tone}.")
    decks = frozenset.intersection(*(frozenset(genre.decks) for genre in loaded.genres.values()))
    decks |= frozenset.intersection(*(frozenset(tone.decks) for tone in loaded.tones.values()))
    for passage in _passages(loaded):
        if wrong := _SUBJECT_AS_OBJECT.search(passage.source):
            raise LexiconInvalid(f"A person after '{wrong[0]}' needs the form 'o' in {passage.source[:80]!r}.")
        for slot in _slots(passage.nodes):
            if not _known(slot, decks):
                raise LexiconInvalid(f"Nothing fills '{slot.role}.{slot.form}' in {passage.source[:80]!r}.")


def _known(slot: Slot, decks: frozenset[str]) -> bool:
    if slot.role in _PERSONS:
        return slot.form in _PERSON_FORMS
    if slot.role in _PLACES:
        return slot.form in _PLACE_FORMS
    if slot.role == "thing":
        return slot.form in _THING_FORMS
    return not slot.form and (slot.role in _WORDS or slot.role in decks)


def _slots(nodes: Iterable[Node]) -> Iterator[Slot]:
    for node in nodes:
        if isinstance(node, Slot):
            yield node
        elif isinstance(node, Choice):
            for option in node.options:
                yield from _slots(option)


def _passages(loaded: Lexicon) -> Iterator[Passage]:
    """List every passage of the data."""
    yield from _of_banks(loaded.banks)
    for genre in loaded.genres.values():
        yield from _of_banks(genre.banks)
        yield from genre.titles
    for tone in loaded.tones.values():
        yield from _of_banks(tone.banks)
    for plot in loaded.plots.values():
        yield from (plot.want, *plot.logline, *plot.titles)
        for beat in plot.beats:
            yield from _of_beat(beat)
    for episode in loaded.episodes:
        yield from _of_beat(episode)
    for thread in (*loaded.quirks, *loaded.sayings):
        yield from (*thread.plant, *thread.echo, *thread.pay)


def _of_banks(banks: Banks) -> Iterator[Passage]:
    for passages in banks.values():
        yield from passages


def _of_beat(beat: Beat) -> Iterator[Passage]:
    yield from (*beat.summary, *beat.titles, *beat.brief, *beat.core, *beat.scene, *beat.more)
