"""The port through which the story's stages reach whoever writes.

Two implementations stand beside it: `prompted` (prompts and a `TextModel`) and `grammar` (no model at all).
Stages know this port only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from services.story.domain import Brief, Chapter, Draft, Finding, Outline, Review


class Author(Protocol):
    """Plans, writes, edits and reviews one story at a time; holds no state between calls."""

    @property
    def name(self) -> str:
        """Who wrote it, as every result says: "grammar/1" or the model's id."""
        ...

    @property
    def continues(self) -> bool:
        """Whether `chapter` can go on from text already written (see `written`)."""
        ...

    @property
    def cannot_mend(self) -> frozenset[str]:
        """Checks of the Critic whose findings another version by this author would not answer, e.g. "language"."""
        ...

    def load(self) -> None:
        """Load what it works by (prompts, lexicons), so that a fault shows before any work is done. Cheap if loaded."""
        ...

    async def outline(self, brief: Brief) -> Outline:
        """Plan the story: chapters for the length asked for, in the order they are told."""
        ...

    def chapter(
        self,
        brief: Brief,
        outline: Outline,
        number: int,
        *,
        earlier: Sequence[Chapter] = (),
        notes: Sequence[Finding] = (),
        attempt: int = 0,
        written: str = "",
    ) -> AsyncGenerator[str, None]:
        """Write chapter `number`, yielding its text piece by piece.

        Args:
            brief: What was asked for.
            outline: The plan.
            number: Which chapter, from 1.
            earlier: The chapters before it, as written.
            notes: What a critic found in an earlier version of this chapter; empty for the first version.
            attempt: 0 for the first version, 1 for the first revision, and so on.
            written: What this very call had written before it was interrupted; only what follows is yielded.
                Honoured only if `continues`; pieces before and after then join to one text.

        Raises:
            BackendFailed: the model behind the author did not do its work.
        """
        ...

    async def review(self, brief: Brief, outline: Outline, draft: Draft) -> Review:
        """Judge the draft beyond what can be measured; an author without an opinion accepts."""
        ...
