"""The bundled character maker: makes up characters from lexicons, with no model.

It writes English, whatever the wish's language: from a description in another language it takes the name if it is sure
of one, and makes up the rest. It says what it is by its name, "grammar/1".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from fabula.errors import ModelOutputInvalid
from services.character.domain import Details, Wish
from services.character.grammar.checking import check
from services.character.grammar.history import tell
from services.character.grammar.pieces import by_sentence
from services.character.grammar.sheet import make

WORDS_PER_SECOND = 12.0  # a fast reader's pace


class GrammarMaker:
    """Implements the `CharacterMaker` port without a model: deterministic by wish, offline, at once.

    Args:
        words_per_second: Pace of `history`, in words per second; 0 tells as fast as it can. It comes in sentences.
    """

    def __init__(self, words_per_second: float = WORDS_PER_SECOND) -> None:
        self._words_per_second = max(0.0, words_per_second)

    @property
    def name(self) -> str:
        """Say what made the character up: a grammar, and its version."""
        return "grammar/1"

    @property
    def continues(self) -> bool:
        """Confirm that `history` goes on from what was written before."""
        return True

    def load(self) -> None:
        """Load the lexicons and check them.

        Raises:
            LexiconInvalid: a data file is not as it must be.
        """
        check()

    async def details(self, wish: Wish) -> Details:
        """Decide who it is; the same wish gives the same details."""
        return await asyncio.to_thread(make, wish)

    async def history(self, wish: Wish, details: Details, *, written: str = "") -> AsyncGenerator[str, None]:
        """Tell its history sentence by sentence.

        Raises:
            ModelOutputInvalid: `written` is not how this history begins.
        """
        text = await asyncio.to_thread(tell, wish, details)
        if not text.startswith(written):
            raise ModelOutputInvalid("The history begun before is not this maker's: start it again.")
        for piece in by_sentence(text[len(written) :]):
            yield piece
            await asyncio.sleep(len(piece.split()) / self._words_per_second if self._words_per_second else 0)
