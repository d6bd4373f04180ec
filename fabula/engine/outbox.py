"""What was emitted and is not stored yet: gathered while an append is under way. Pure.

Deltas join, progress replaces progress, everything else keeps its place. So a durable log costs latency, never
throughput, and emitting never waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from fabula.engine.events import Advanced, Body, Progress, TextDelta


@dataclass(slots=True)
class Draft:
    """One event on its way into the log; its sequence is given when it is appended."""

    body: Body
    progress: Progress
    time: datetime
    _more: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Characters of text in it: what makes a record large."""
        return len(self.body.text) if isinstance(self.body, TextDelta) else 0

    def join(self, text: str, progress: Progress) -> None:
        """Add text that follows."""
        self._more.append(text)
        self.progress = progress

    def sealed(self) -> Draft:
        """Return the draft with its text in one piece."""
        if isinstance(self.body, TextDelta) and self._more:
            whole = "".join((self.body.text, *self._more))
            return Draft(TextDelta(self.body.stage, self.body.offset, whole), self.progress, self.time)
        return self


class Outbox:
    """Drafts in order, the newest of them still open to joining."""

    def __init__(self) -> None:
        self._drafts: deque[Draft] = deque()
        self._text: Draft | None = None
        self._progress: Draft | None = None
        self.characters = 0

    def __len__(self) -> int:
        """Count the drafts that wait."""
        return len(self._drafts)

    def put(self, body: Body, progress: Progress, time: datetime) -> None:
        """Add one event."""
        match body:
            case TextDelta():
                self._put_text(body, progress, time)
            case Advanced():
                self._put_progress(body, progress, time)
            case _:
                self._drafts.append(Draft(body, progress, time))
                self._text = self._progress = None

    def _put_text(self, body: TextDelta, progress: Progress, time: datetime) -> None:
        self.characters += len(body.text)
        open_text = self._text
        if open_text is not None and isinstance(open_text.body, TextDelta) and open_text.body.stage == body.stage:
            open_text.join(body.text, progress)
            self._drop_progress()  # it would stand behind newer progress
            return
        self._text = Draft(body, progress, time)
        self._drafts.append(self._text)

    def _put_progress(self, body: Advanced, progress: Progress, time: datetime) -> None:
        self._drop_progress()
        self._progress = Draft(body, progress, time)
        self._drafts.append(self._progress)

    def _drop_progress(self) -> None:
        if self._progress is not None:
            self._drafts.remove(self._progress)
            self._progress = None

    def take(self, most_characters: int) -> tuple[Draft, ...]:
        """Remove and return drafts from the front: at least one, and about `most_characters` of text."""
        taken: list[Draft] = []
        characters = 0
        while self._drafts and (not taken or characters < most_characters):
            draft = self._drafts.popleft().sealed()
            if draft.size > most_characters:
                draft, rest = _split(draft, most_characters)
                self._drafts.appendleft(rest)
            characters += draft.size
            taken.append(draft)
        self.characters -= characters
        self._text = self._progress = None
        return tuple(taken)


def _split(draft: Draft, at: int) -> tuple[Draft, Draft]:
    body = draft.body
    if not isinstance(body, TextDelta):
        raise TypeError("only text can be split")
    first = TextDelta(body.stage, body.offset, body.text[:at])
    second = TextDelta(body.stage, body.offset + at, body.text[at:])
    return Draft(first, draft.progress, draft.time), Draft(second, draft.progress, draft.time)
