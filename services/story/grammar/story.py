"""Plans a story from the plot grammar and tells it at the length asked for. Pure: the same brief, the same story."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import TypeVar

from services.story.domain import Brief
from services.story.grammar.casting import cast
from services.story.grammar.english import sentence_key, sentences, with_article, word_count
from services.story.grammar.lexicon import Beat, Lexicon, lexicon
from services.story.grammar.realise import Memory, Realiser, Scene, gentle
from services.story.grammar.template import Passage
from services.story.grammar.world import Person, World

_Card = TypeVar("_Card")

MOST_CHAPTERS = 24
_WORDS_PER_CHAPTER = 550
_TRIES = 14  # other wordings tried for one passage before another passage is taken
_BRIEF_BELOW = 340  # words of a story that begins with its hero, not with the place
_SHORT_BELOW = 310  # words of a story whose frame is told with the shorter passages
_BARE_BELOW = 230  # words of a story that ends with its plot
_TINY_BELOW = 130  # words of a story that has room for one person
_ROUNDS = 7  # fittings of one chapter to its length


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


@dataclass(frozen=True, slots=True)
class Told:
    """One chapter as told."""

    title: str
    summary: str
    words: int
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """A whole story as told."""

    title: str
    logline: str
    world: World
    chapters: tuple[Told, ...]


def chapter_count(words: int, wanted: int) -> int:
    """Return how many chapters a story of so many words has."""
    if wanted > 0:
        return min(wanted, MOST_CHAPTERS)
    if words <= 350:
        return 1
    return max(1, min(MOST_CHAPTERS, round(words / _WORDS_PER_CHAPTER)))


# Planning ------------------------------------------------------------------------------------------------------------


def _bank(world: World, data: Lexicon, name: str) -> tuple[Passage, ...]:
    """Collect a bank's passages that fit: the genre's, the tone's, then those for all."""
    banks = (world.genre.banks, world.tone.banks, data.banks)
    return _fitting((passage for bank in banks for passage in bank.get(name, ())), world)


def _fitting(passages: Iterable[Passage], world: World) -> tuple[Passage, ...]:
    fitting = tuple(passage for passage in passages if passage.fits(world.flags))
    if "children" not in world.flags:
        return fitting
    return tuple(passage for passage in fitting if gentle(passage.source)) or fitting


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
        while sum(_about_bank(self._core(beat)) for beat in beats) > room:
            inner = beats[1:-1]
            long = [beat for beat in [*inner, beats[0], beats[-1]] if beat.name not in self._brief and beat.brief]
            droppable = [beat for beat in inner if beat.skippable or self._words < _TINY_BELOW]
            if long:
                self._brief.add(long[0].name)
            elif droppable:
                beats.remove(max(droppable, key=lambda beat: (beat.skippable, _about_bank(self._core(beat)))))
            else:
                break
        return beats

    def _frame(self) -> float:
        """Estimate the words that a story needs beside its beats."""
        world = self._world
        known = 28.0 * (bool(world.deed) or "want" in world.flags)
        people = (
            25.0
            + 32 * (self._words >= _TINY_BELOW)
            + 20 * len(world.extras + world.stated_roles)
            + 20 * ("pet" in world.flags)
        )
        ends = 40.0 * (self._words >= _BARE_BELOW) + 35 * (self._words >= _BRIEF_BELOW)
        return known + people + 16 * len(world.cameos) + ends + 30 * (self._chapters - 1)

    def _core(self, beat: Beat) -> tuple[Passage, ...]:
        """Return the passages that tell a beat: in one breath if the story is short."""
        return _fitting(beat.brief if beat.name in self._brief else beat.core, self._world)

    def _episode(self, number: int, earlier: Sequence[Beat]) -> tuple[Beat, Scene]:
        """Choose an episode that was told least and not just now, with fresh people and places."""
        counts = {beat.name: 0 for beat in self._data.episodes}
        for beat in earlier:
            counts[beat.name] += 1
        fewest = min(counts.values())
        free = [
            beat for beat in self._data.episodes if counts[beat.name] == fewest and _fitting(beat.core, self._world)
        ]
        last = earlier[-1].name if earlier else ""
        free = [beat for beat in free if beat.name != last] or free
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
        passages = _bank(self._world, self._data, bank)
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
        moves = [
            self._move("opening", "opening", 1 if self._words >= _BRIEF_BELOW else 2),
            self._move("hero", "hero", 1),
        ]
        moves.append(self._move("friend", "friend", 1 if self._words >= _TINY_BELOW else 3))
        moves.append(Move("quirk.plant", _fitting(world.quirk.plant, world), 2))
        moves.extend(self._company())
        moves.append(Move("saying.plant", _fitting(world.saying.plant, world), 2))
        if "deed" in world.flags:
            moves.append(self._move("incite", "incite_state" if "state" in world.flags else "incite", 1))
        elif "want" in world.flags:
            moves.append(self._move("incite", "incite_want", 1))
        return moves

    def _company(self) -> list[Move]:
        """Introduce who and what the request names beside the main roles."""
        world = self._world
        moves = [self._move("pet", "pet", 1)] if "pet" in world.flags else []
        for key in (*world.extras, *world.stated_roles):
            moves.append(self._move(f"company.{key}", "company", 1, Scene(persons={"extra": world.persons[key]})))
        for index, cameo in enumerate(world.cameos):
            moves.append(self._move(f"cameo.{index}", "cameo", 1, Scene(words={"cameo": cameo})))
        return moves

    def _beat_moves(self, key: str, beat: Beat, scene: Scene, *, first: bool) -> list[Move]:
        world = self._world
        moves = [Move(f"{key}.core", self._core(beat), 1, scene)]
        if beat.name in self._brief:
            return [*moves, self._move(f"{key}.aside", "aside", 3), Move(f"{key}.more", _fitting(beat.more, world), 4)]
        moves.append(Move(f"{key}.scene", _fitting(beat.scene, world), 2, scene))
        if not first:
            moves.append(self._move(f"{key}.aside", "aside", 4))
        moves.append(Move(f"{key}.more", _fitting(beat.more, world), 3, scene))
        if "pet" in world.flags:
            moves.append(self._move(f"{key}.pet", "pet_moment", 3))
        moves.append(self._move(f"{key}.texture", "texture", 4, scene))
        moves.append(Move(f"{key}.more2", _fitting(beat.more, world), 4, scene))
        return moves

    def _ending(self) -> list[Move]:
        world = self._world
        return [
            self._move("company.end", "company_end", 3) if "extras" in world.flags else Move("none", (), 9),
            Move("quirk.pay", _fitting(world.quirk.pay, world), 2, after="quirk.plant"),
            Move("saying.pay", _fitting(world.saying.pay, world), 2, after="saying.plant"),
            self._move("closing", "closing", 1 if self._words >= _BARE_BELOW else 2),
        ]


def _about_bank(bank: Sequence[Passage]) -> float:
    return sum(passage.words for passage in bank) / len(bank) if bank else 0.0


def _beat_words(beat: Beat, world: World) -> float:
    """Estimate what a beat can be told with."""
    banks = [_fitting(bank, world) for bank in (beat.core, beat.scene, beat.more)]
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


# Telling -------------------------------------------------------------------------------------------------------------


class Teller:
    """Tells parts one after another; remembers what was told so that nothing is told twice."""

    def __init__(self, world: World, memory: Memory, variant: str = "") -> None:
        self._world = world
        self._data = lexicon()
        self._variant = variant
        self.memory = memory

    def tell(self, part: Part, words: int) -> str:
        """Tell one part with about so many words."""
        forced: list[Move] = []
        best = self._fit(part, words, forced)
        for _ in range(3):
            missing = [word for word in self._world.stated if word.lower() not in best[0].lower()]
            if not missing:
                break
            forced.extend(self._anchors(part, missing, len(forced)))
            best = self._fit(part, words, forced)
        self.memory = best[1]
        return best[0]

    def _anchors(self, part: Part, missing: Sequence[str], number: int) -> list[Move]:
        """Make moves that speak of what a chapter has left out."""
        world = self._world
        moves: list[Move] = []
        for word in missing:
            bank = _bank(world, self._data, _anchor(world, word))
            moves.append(Move(f"{part.number}.anchor{number}.{word}", bank, 1))
        return moves

    def _fit(self, part: Part, words: int, forced: Sequence[Move]) -> tuple[str, Memory]:
        """Choose which moves to tell so that the part comes out at the length wanted."""
        aim = float(words)
        best: tuple[int, str, Memory] | None = None
        for _ in range(_ROUNDS):
            chosen = _chosen(part.moves, aim)
            text, memory = self._render(_with_forced(chosen, forced))
            error = word_count(text) - words
            if best is None or abs(error) < abs(best[0]):
                best = (error, text, memory)
            if abs(error) <= max(6, words * 0.04):
                break
            aim = max(1.0, aim - error * 0.8)
        assert best is not None  # noqa: S101 - there is at least one round
        return best[1], best[2]

    def _render(self, moves: Sequence[Move]) -> tuple[str, Memory]:
        memory = self.memory.copy()
        realiser = Realiser(self._world, memory)
        text = ""
        for move in moves:
            told = self._tell_move(realiser, memory, move)
            if told is None:
                continue
            passage, piece, realiser = told
            memory = realiser.memory
            memory.passages.add(passage.source)
            memory.sentences.update(sentence_key(sentence) for sentence in sentences(piece))
            text += ("" if not text else " " if passage.goes_on else "\n\n") + piece
        return text, memory

    def _tell_move(self, realiser: Realiser, memory: Memory, move: Move) -> tuple[Passage, str, Realiser] | None:
        """Find a passage of the move's bank that repeats nothing."""
        order = _ordered(move, memory, Random(f"{self._world.seed}/{self._variant}/{move.key}"))
        for index, passage in enumerate(order):
            tries = _TRIES if index == 0 else 4
            for attempt in range(tries):
                random = Random(f"{self._world.seed}/{self._variant}/{move.key}/{index}/{attempt}")
                fork = realiser.fork()
                piece = fork.tell(passage, move.scene, random)
                keys = [sentence_key(sentence) for sentence in sentences(piece)]
                if len(set(keys)) == len(keys) and not any(key in memory.sentences for key in keys):
                    return passage, piece, fork
        return None


def _anchor(world: World, word: str) -> str:
    """Name the bank whose passages speak of `word`."""
    if word in world.thing.phrase.split():
        return "anchor_thing"
    if word == world.persons["hero"].short:
        return "anchor_hero"
    return "anchor_far" if word in world.far.phrase else "anchor_home"


def _ordered(move: Move, memory: Memory, random: Random) -> list[Passage]:
    """Order a bank: passages not told yet first, otherwise by chance."""
    own, general = list(move.bank[: move.own]), list(move.bank[move.own :])
    random.shuffle(own)
    random.shuffle(general)
    bank = own + general
    if random.random() < 0.2:
        random.shuffle(bank)
    return sorted(bank, key=lambda passage: passage.source in memory.passages)


def _chosen(moves: Sequence[Move], aim: float) -> list[Move]:
    """Choose the moves to tell: all of level 1, then by level as long as there is room."""
    chosen = {move.key for move in moves if move.level == 1}
    total = sum(_about(move) for move in moves if move.level == 1)
    present = {move.key for move in moves}
    optional = [move for move in moves if move.level > 1]
    for move in sorted(optional, key=lambda move: (move.level, sentence_order(move.key))):
        if move.after in present and move.after not in chosen:
            continue
        if total + _about(move) * 0.5 <= aim:
            chosen.add(move.key)
            total += _about(move)
    return [move for move in moves if move.key in chosen]


def sentence_order(key: str) -> int:
    """Return a fixed order of moves that is not the order of telling, so that room is spread over a chapter."""
    return Random(key).getrandbits(30)


def _about(move: Move) -> float:
    return sum(passage.words for passage in move.bank) / len(move.bank)


def _with_forced(moves: list[Move], forced: Sequence[Move]) -> list[Move]:
    at = max(1, len(moves) // 2)
    return [*moves[:at], *forced, *moves[at:]]


# The whole -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def compose(brief: Brief) -> Story:
    """Plan and tell a whole story. The last few are kept, for chapters are asked for one by one."""
    world = cast(brief)
    words = max(20, brief.words)
    parts = Planner(world, words, chapter_count(words, brief.chapters)).parts()
    teller = Teller(world, Memory())
    heading = _Headings(world)
    told: list[Told] = []
    done = 0
    for part in parts:
        due = words * part.number / len(parts) - done
        aim = round(min(max(due, part.words * 0.75), part.words * 1.25))
        text = teller.tell(part, aim)
        done += word_count(text)
        alone = len(parts) == 1
        title = heading.chapter(part, brief, single=alone)
        told.append(Told(title, heading.summary(part, single=alone), aim, text))
    return Story(heading.story(brief), heading.logline(), world, tuple(told))


def retell(brief: Brief, number: int, attempt: int, earlier: Sequence[str]) -> str:
    """Tell one chapter anew, in other words than the story so far; it mentions what the first version mentioned."""
    story = compose(brief)
    words = max(20, brief.words)
    part = Planner(story.world, words, len(story.chapters)).parts()[number - 1]
    memory = Memory(introduced={"thing", "home", "rival", "elder"} if number > 1 else set())
    for text in [*(chapter.text for chapter in story.chapters), *earlier]:
        memory.sentences.update(sentence_key(sentence) for sentence in sentences(text))
    told = Teller(story.world, memory, f"attempt{attempt}").tell(part, story.chapters[number - 1].words)
    return told or story.chapters[number - 1].text


class _Headings:
    """Words titles, summaries and the logline."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._data = lexicon()
        self._used: set[str] = set()

    def _tell(self, passages: Sequence[Passage], key: str, scene: Scene | None = None) -> str:
        world = self._world
        fitting = _fitting(passages, world)
        for attempt in range(12):
            random = Random(f"{world.seed}/heading/{key}/{attempt}")
            memory = Memory(introduced={"thing", "rival", "elder"})
            text = Realiser(world, memory).tell(random.choice(fitting), scene or Scene(), random)
            if text not in self._used or key in {"title", "logline"}:
                break
        self._used.add(text)
        return text

    def story(self, brief: Brief) -> str:
        """Return the user's title, or one of the plot's and genre's."""
        asked = " ".join(brief.title.split())
        return asked or headline(self._tell((*self._world.plot.titles, *self._world.genre.titles), "title"))

    def logline(self) -> str:
        world = self._world
        bank = self._data.banks["logline"] if "deed" in world.flags else world.plot.logline
        return self._tell(bank, "logline")

    def chapter(self, part: Part, brief: Brief, *, single: bool) -> str:
        beat, scene = self._beat(part)
        if single:
            return self.story(brief)
        return headline(self._tell(beat.titles, f"chapter{part.number}", scene))

    def summary(self, part: Part, *, single: bool) -> str:
        if single:
            return self.logline()
        beat, scene = self._beat(part)
        return self._tell(beat.summary, f"summary{part.number}", scene)

    def _beat(self, part: Part) -> tuple[Beat, Scene]:
        """Return the beat that gives a chapter its name: the plot's own before an episode."""
        own = {beat.name: beat for beat in self._world.plot.beats}
        episodes = {beat.name: beat for beat in self._data.episodes}
        for name, scene in zip(part.beats, part.scenes, strict=True):
            if name in own:
                return own[name], scene
        return episodes[part.beats[0]], part.scenes[0]


_SMALL = frozenset("a an the of in on at to and or for from with by as but".split())


def headline(text: str) -> str:
    """Set a title in capitals as titles are."""
    words = text.rstrip(".").split()
    return " ".join(
        word if index and word.lower() in _SMALL else word[:1].upper() + word[1:] for index, word in enumerate(words)
    )
