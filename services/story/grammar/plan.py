"""Plans a story: lays the plot's beats and as many episodes as the length needs into chapters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from services.story.grammar.english import with_article
from services.story.grammar.entries import Beat, Lexicon
from services.story.grammar.lexicon import lexicon
from services.story.grammar.realise import Scene, gentle
from services.story.grammar.template import Passage
from services.story.grammar.world import Person, World

_Card = TypeVar("_Card")

MOST_CHAPTERS = 24
_WORDS_PER_CHAPTER = 550
_BRIEF_BELOW = 340  # words of a story that begins with its hero, not with the place
_SHORT_BELOW = 310  # words of a story whose frame is told with the shorter passages
_SMALL_BELOW = 255  # words of a story that begins with one sentence
_BARE_BELOW = 230  # words of a story that ends with its plot
_TINY_BELOW = 130  # words of a story that has room for one person
_AT_ONCE = 3  # people named in one sentence


@dataclass(frozen=True, slots=True)
class Move:
    """One passage to tell: from which bank, how important, with whom.

    Attributes:
        key: Identifies the move in its story; seeds its choices.
        bank: The passages it may be told with, the preferred ones first.
        level: 1 must be told, 2 and 3 if there is room.
        scene: Whom and what it may speak of beside the cast.
        own: How many passages at the head of the bank are the genre's or the tone's own.
        after: Key of the move without which this one makes no sense; empty if none.
    """

    key: str
    bank: tuple[Passage, ...]
    level: int
    scene: Scene = field(default_factory=Scene)
    after: str = ""
    own: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One chapter before it is told."""

    number: int
    words: int
    moves: tuple[Move, ...]
    beats: tuple[str, ...]
    scenes: tuple[Scene, ...]


def chapter_count(words: int, wanted: int) -> int:
    """Return how many chapters a story of so many words has."""
    if wanted > 0:
        return min(wanted, MOST_CHAPTERS)
    if words <= 350:
        return 1
    return max(1, min(MOST_CHAPTERS, round(words / _WORDS_PER_CHAPTER)))


def bank_of(world: World, data: Lexicon, name: str) -> tuple[Passage, ...]:
    """Collect a bank's passages that fit: the genre's, the tone's, then those for all."""
    banks = (world.genre.banks, world.tone.banks, data.banks)
    return fitting((passage for bank in banks for passage in bank.get(name, ())), world)


def fitting(passages: Iterable[Passage], world: World) -> tuple[Passage, ...]:
    """Return the passages that may be used in this world; harsh ones not for children."""
    usable = tuple(passage for passage in passages if passage.fits(world.flags))
    if "children" not in world.flags:
        return usable
    return tuple(passage for passage in usable if gentle(passage.source)) or usable


class Planner:
    """Lays out a story's moves, chapter by chapter."""

    def __init__(self, world: World, words: int, chapters: int) -> None:
        self._world = world
        self._data = lexicon()
        self._words = words
        self._chapters = chapters
        self._random = Random(f"{world.seed}/plan")
        self._used: dict[str, set[str]] = {}
        self._brief: set[str] = set()

    def parts(self) -> list[Part]:
        """Return the chapters in order."""
        units = self._units()
        groups = self._grouped(units)
        base = self._words // self._chapters
        return [self._part(number, base, group) for number, group in enumerate(groups, start=1)]

    def _units(self) -> list[tuple[Beat, Scene]]:
        """List the plot's beats, with as many episodes in the middle as the length needs."""
        world = self._world
        beats = self._own_beats()
        units = [(beat, Scene()) for beat in beats]
        room = self._words * 1.25 - sum(_beat_words(beat, world) for beat in beats) - 70 * self._chapters - 200
        episodes: list[tuple[Beat, Scene]] = []
        while room > 0 or len(units) + len(episodes) < self._chapters:
            episode = self._episode(len(episodes), [beat for beat, _ in episodes])
            episodes.append(episode)
            room -= _beat_words(episode[0], world)
        return _spread(units, episodes, world.plot.middle)

    def _own_beats(self) -> list[Beat]:
        """Return the plot's beats, without those that a short story has no room for."""
        beats = list(self._world.plot.beats)
        room = self._words - self._frame()
        while sum(about_bank(self._core(beat)) for beat in beats) > room:
            inner = beats[1:-1]
            long = [beat for beat in [*inner, beats[0], beats[-1]] if beat.name not in self._brief and beat.brief]
            droppable = [beat for beat in inner if beat.skippable or self._words < _TINY_BELOW]
            if long:
                self._brief.add(long[0].name)
            elif droppable:
                beats.remove(max(droppable, key=lambda beat: (beat.skippable, about_bank(self._core(beat)))))
            else:
                break
        return beats

    def _frame(self) -> float:
        """Estimate the words that a story needs beside its beats."""
        world = self._world
        small = self._words < _SMALL_BELOW
        known = 0.0 if small else 28.0 * (bool(world.deed) or "want" in world.flags)
        people = (
            (12.0 if small else 25.0)
            + 32 * (self._words >= _TINY_BELOW)
            + (8 if self._crowded else 20) * len(world.extras)
            + 20 * len(world.stated_roles)
            + 20 * ("pet" in world.flags)
        )
        ends = 40.0 * (self._words >= _BARE_BELOW) + 35 * (self._words >= _BRIEF_BELOW)
        told = sum(len(one.text.split()) + 4 for one in world.told)
        return known + people + told + 16 * len(world.cameos) + ends + 30 * (self._chapters - 1)

    def _core(self, beat: Beat) -> tuple[Passage, ...]:
        """Return the passages that tell a beat: in one breath if the story is short."""
        return fitting(beat.brief if beat.name in self._brief else beat.core, self._world)

    def _episode(self, number: int, earlier: Sequence[Beat]) -> tuple[Beat, Scene]:
        """Choose an episode that was told least and not just now, with fresh people and places."""
        usable = [beat for beat in self._data.episodes if fitting(beat.core, self._world)]
        told = [beat.name for beat in earlier]
        fewest = min(told.count(beat.name) for beat in usable)
        free = [beat for beat in usable if told.count(beat.name) == fewest]
        free = [beat for beat in free if beat.name not in told[-1:]] or free
        return self._random.choice(free), self._scene(number)

    def _scene(self, number: int) -> Scene:
        genre = self._world.genre
        role = self._deal("helper", genre.helpers)
        pronoun = role.pronoun if role.pronoun != "any" else self._random.choice(("she", "he"))
        helper = Person(
            f"helper{number}", f"the {role.noun}", f"the {role.noun}", role.noun, pronoun, with_article(role.noun),
            role.habit, "friend",
        )  # fmt: skip
        return Scene(persons={"helper": helper}, spots={"spot": self._deal("spot", genre.spots)})

    def _deal(self, kind: str, cards: Sequence[_Card]) -> _Card:
        used = self._used.setdefault(kind, set())
        free = [card for card in cards if repr(card) not in used]
        if not free:
            used.clear()
            free = list(cards)
        card = self._random.choice(free)
        used.add(repr(card))
        return card

    def _grouped(self, units: list[tuple[Beat, Scene]]) -> list[list[tuple[Beat, Scene]]]:
        """Deal the units into chapters of about the same weight, in order, none empty."""
        weights = [_beat_words(beat, self._world) for beat, _ in units]
        share = sum(weights) / self._chapters
        groups: list[list[tuple[Beat, Scene]]] = [[] for _ in range(self._chapters)]
        at, filled = 0, 0.0
        for index, unit in enumerate(units):
            rest = len(units) - index
            must_move = groups[at] and rest <= self._chapters - at - 1
            if groups[at] and at < self._chapters - 1 and (must_move or filled + weights[index] / 2 > share * (at + 1)):
                at += 1
            groups[at].append(unit)
            filled += weights[index]
        return groups

    def _part(self, number: int, words: int, units: list[tuple[Beat, Scene]]) -> Part:
        last = number == self._chapters
        moves = self._beginning(number)
        for index, (beat, scene) in enumerate(units):
            moves.extend(self._beat_moves(f"{number}.{index}", beat, scene, first=number == 1 and index == 0))
        moves.extend(self._ending() if last else [self._move(f"{number}.close", "chapter_close", 2)])
        return Part(number, words, tuple(move for move in moves if move.bank), tuple(b.name for b, _ in units),
                    tuple(scene for _, scene in units))  # fmt: skip

    def _move(self, key: str, bank: str, level: int, scene: Scene | None = None, after: str = "") -> Move:
        passages = bank_of(self._world, self._data, bank)
        if self._words < _SHORT_BELOW and len(passages) > 3:
            longest = sorted(passage.words for passage in passages)[(len(passages) - 1) // 2]
            passages = tuple(passage for passage in passages if passage.words <= longest)
        general = {passage.source for passage in self._data.banks.get(bank, ())}
        own = sum(passage.source not in general for passage in passages)
        return Move(key, passages, level, scene or Scene(), after, own)

    def _beginning(self, number: int) -> list[Move]:
        world = self._world
        if number > 1:
            turn = 1 if self._chapters > 1 else 2
            moves = [self._move(f"{number}.open", "chapter_open", turn)]
            if number == self._chapters // 2 + 1:
                moves.append(Move("quirk.echo", world.quirk.echo, 3, after="quirk.plant"))
                moves.append(Move("saying.echo", world.saying.echo, 3, after="saying.plant"))
            return moves
        small = self._words < _SMALL_BELOW
        moves = [
            self._move("opening", "opening", 1 if self._words >= _BRIEF_BELOW else 3),
            self._move("hero", "tiny" if small else "hero", 1),
        ]
        moves.append(self._move("friend", "friend", 1 if self._words >= _TINY_BELOW else 3))
        moves.append(Move("quirk.plant", fitting(world.quirk.plant, world), 2))
        moves.extend(self._company())
        moves.append(Move("saying.plant", fitting(world.saying.plant, world), 2))
        if small:
            return [*moves, *self._told()]
        if "deed" in world.flags:
            moves.append(self._move("incite", "incite_state" if "state" in world.flags else "incite", 1))
        elif "want" in world.flags and "told" not in world.flags:
            moves.append(self._move("incite", "incite_want", 1))
        return [*moves, *self._told()]

    def _told(self) -> list[Move]:
        """Tell the premise's own sentences back, the first with a few words about it."""
        world = self._world
        moves: list[Move] = []
        for number, one in enumerate(world.told):
            first = number == 0 and "told" in world.flags
            short = one.kind == "event" and self._words < _SHORT_BELOW
            bank = f"told_{'short' if short else one.kind}" if first else f"told_next_{one.kind}"
            moves.append(self._move(f"told.{number}", bank, 1, Scene(words={"told": one.text})))
        return moves

    @property
    def _crowded(self) -> bool:
        """Whether those who only come along are named together: there are many, or there is little room."""
        return len(self._world.extras) > (1 if self._words < _SMALL_BELOW else _AT_ONCE)

    def _company(self) -> list[Move]:
        """Introduce who and what the request names beside the main roles."""
        world = self._world
        moves = [self._move("pet", "pet", 1)] if "pet" in world.flags else []
        one_by_one = (*(() if self._crowded else world.extras), *world.stated_roles)
        moves.extend(
            self._move(f"company.{key}", "company", 1, Scene(persons={"extra": world.persons[key]}))
            for key in one_by_one
        )
        crowd = world.extras if self._crowded else ()
        moves.extend(
            self._move(f"company.{at}", "crowd", 1, Scene(words={"crowd": _listed(world, crowd[at : at + _AT_ONCE])}))
            for at in range(0, len(crowd), _AT_ONCE)
        )
        moves.extend(
            self._move(f"cameo.{index}", "cameo", 1, Scene(words={"cameo": cameo}))
            for index, cameo in enumerate(world.cameos)
        )
        return moves

    def _beat_moves(self, key: str, beat: Beat, scene: Scene, *, first: bool) -> list[Move]:
        world = self._world
        moves = [Move(f"{key}.core", self._core(beat), 1, scene)]
        if beat.name in self._brief:
            return [*moves, self._move(f"{key}.aside", "aside", 3), Move(f"{key}.more", fitting(beat.more, world), 4)]
        moves.append(Move(f"{key}.scene", fitting(beat.scene, world), 2, scene))
        if not first:
            moves.append(self._move(f"{key}.aside", "aside", 4))
        moves.append(Move(f"{key}.more", fitting(beat.more, world), 3, scene))
        if "pet" in world.flags:
            moves.append(self._move(f"{key}.pet", "pet_moment", 3))
        moves.append(self._move(f"{key}.texture", "texture", 4, scene))
        moves.append(Move(f"{key}.more2", fitting(beat.more, world), 4, scene))
        return moves

    def _ending(self) -> list[Move]:
        world = self._world
        return [
            self._move("company.end", "company_end", 3) if "extras" in world.flags else Move("none", (), 9),
            Move("quirk.pay", fitting(world.quirk.pay, world), 2, after="quirk.plant"),
            Move("saying.pay", fitting(world.saying.pay, world), 2, after="saying.plant"),
            self._move("closing", "closing", 1 if self._words >= _BARE_BELOW else 2),
        ]


def _listed(world: World, keys: Sequence[str]) -> str:
    """Name several people, with what they are: "a baker by the name of Elsie, Tomas and a goose"."""
    people = [world.persons[key] for key in keys]
    named = [
        one.intro if not one.named else f"{one.intro} by the name of {one.name}" if one.intro else one.name
        for one in people
    ]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def about_bank(bank: Sequence[Passage]) -> float:
    """Estimate the words that a passage of a bank renders to."""
    return sum(passage.words for passage in bank) / len(bank) if bank else 0.0


def _beat_words(beat: Beat, world: World) -> float:
    """Estimate what a beat can be told with."""
    banks = [fitting(bank, world) for bank in (beat.core, beat.scene, beat.more)]
    return sum(sum(passage.words for passage in bank) / len(bank) for bank in banks if bank)


def _spread(
    units: list[tuple[Beat, Scene]], episodes: list[tuple[Beat, Scene]], middle: int
) -> list[tuple[Beat, Scene]]:
    """Put the episodes between the plot's beats, from the second beat to `middle` and just after."""
    if not episodes:
        return units
    gaps = list(range(2, min(max(middle, 2), len(units) - 2) + 1)) or [1]
    placed: dict[int, list[tuple[Beat, Scene]]] = {gap: [] for gap in gaps}
    for index, episode in enumerate(episodes):
        placed[gaps[index * len(gaps) // len(episodes)]].append(episode)
    spread: list[tuple[Beat, Scene]] = []
    for index, unit in enumerate(units):
        spread.extend(placed.get(index, []))
        spread.append(unit)
    return spread
