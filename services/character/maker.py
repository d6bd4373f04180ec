"""The port through which the character's stages reach whoever makes it up.

Two implementations stand beside it: `prompted` (prompts and a `TextModel`) and `grammar` (no model at all).
Stages know this port only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from services.character.domain import Details, Wish


class CharacterMaker(Protocol):
    """Makes up one character at a time; holds no state between calls."""

    @property
    def name(self) -> str:
        """Who made it up, as every result says: "grammar/1" or the model's id."""
        ...

    @property
    def continues(self) -> bool:
        """Whether `history` can go on from text already written (see `written`)."""
        ...

    def load(self) -> None:
        """Load what it works by (prompts, lexicons), so that a fault shows before any work is done. Cheap if loaded."""
        ...

    async def details(self, wish: Wish) -> Details:
        """Decide who it is. What the wish says of name, species, gender, age, profession and looks holds.

        Raises:
            ModelOutputInvalid: the model behind it gives no valid details, repairs included.
            BackendFailed: the model did not do its work.
        """
        ...

    def history(self, wish: Wish, details: Details, *, written: str = "") -> AsyncGenerator[str, None]:
        """Tell where the character comes from and what made it so, yielding the text piece by piece.

        Args:
            wish: What was asked for.
            details: Who it is.
            written: What this very call had written before it was interrupted; only what follows is yielded.
                Honoured only if `continues`; pieces before and after then join to one text.

        Raises:
            BackendFailed: the model behind it did not do its work.
        """
        ...
