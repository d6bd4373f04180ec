"""Tells planned chapters at their length, never the same sentence twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from services.story.grammar.english import sentence_key, sentences, word_count
from services.story.grammar.lexicon import lexicon
from services.story.grammar.plan import Move, Part, bank_of
from services.story.grammar.realise import Memory, Realiser
from services.story.grammar.template import Passage
from services.story.grammar.world import World

_TRIES = 6  # other wordings tried for one passage before another passage is taken
_PASSAGES_TRIED = 8  # passages of a bank tried for one move before it is left out
_ROUNDS = 7  # fittings of one chapter to its length


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
            bank = bank_of(world, self._data, _anchor(world, word))
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
            spent = error < 0 and len(chosen) == len(part.moves)  # there is nothing left to tell
            if spent or abs(error) <= max(6, words * 0.04):
                break
            aim = max(1.0, aim - error * 0.8)
        assert best is not None  # noqa: S101 - there is at least one round
        return best[1], best[2]

    def _render(self, moves: Sequence[Move]) -> tuple[str, Memory]:
        memory = self.memory.copy()
        realiser = Realiser(self._world, memory)
        text = ""
        for move in moves:
            if move.after and move.after not in memory.moves:
                continue
            told = self._tell_move(realiser, memory, move)
            if told is None:
                continue
            memory.moves.add(move.key)
            passage, piece, realiser = told
            memory = realiser.memory
            memory.passages.add(passage.source)
            memory.sentences.update(sentence_key(sentence) for sentence in sentences(piece))
            text += ("" if not text else " " if passage.goes_on else "\n\n") + piece
        return text, memory

    def _tell_move(self, realiser: Realiser, memory: Memory, move: Move) -> tuple[Passage, str, Realiser] | None:
        """Find a passage of the move's bank that repeats nothing."""
        order = _ordered(move, memory, Random(f"{self._world.seed}/{self._variant}/{move.key}"))
        for index, passage in enumerate(order[:_PASSAGES_TRIED]):
            tries = _TRIES if passage.source not in memory.passages else 2
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
