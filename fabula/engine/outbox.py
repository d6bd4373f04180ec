"""What was emitted and is not stored yet: gathered while an append is under way. Pure.

Deltas join, progress replaces progress (but what is to be told step by step), everything else keeps its place. So a
durable log costs latency, never throughput, and emitting never waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from fabula.engine.events import Advanced, Body, LogLine, Progress, StageFinished, TextDelta

OVERHEAD = 512
"""What an event without its text counts for: about what its progress takes when it is stored."""


@dataclass(slots=True, eq=False)
class Draft:
    """One event on its way into the log; its sequence is given when it is appended."""

    body: Body
    progress: Progress
    time: datetime
    _more: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """About how large it makes a record: the characters of its text, and something for the rest."""
        match self.body:
            case TextDelta(text=text):
                return OVERHEAD + len(text) + sum(map(len, self._more))
            case LogLine(message=message):
                return OVERHEAD + len(message)
            case _:
                return OVERHEAD

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
        self.size = 0

    def __len__(self) -> int:
        """Count the drafts that wait."""
        return len(self._drafts)

    def put(self, body: Body, progress: Progress, time: datetime) -> None:
        """Add one event."""
        match body:
            case TextDelta():
                self._put_text(body, progress, time)
            case Advanced(each=False):
                self._put_progress(body, progress, time)
            case _:
                self._add(Draft(body, progress, time))
                self._text = self._progress = None

    def _add(self, draft: Draft) -> None:
        self._drafts.append(draft)
        self.size += draft.size

    def _put_text(self, body: TextDelta, progress: Progress, time: datetime) -> None:
        open_text = self._text
        if open_text is not None and isinstance(open_text.body, TextDelta) and open_text.body.stage == body.stage:
            open_text.join(body.text, progress)
            self.size += len(body.text)
            self._drop_progress()  # it would stand behind newer progress
            return
        self._text = Draft(body, progress, time)
        self._add(self._text)

    def _put_progress(self, body: Advanced, progress: Progress, time: datetime) -> None:
        self._drop_progress()
        self._progress = Draft(body, progress, time)
        self._add(self._progress)

    def _drop_progress(self) -> None:
        if self._progress is not None:
            self._drafts.remove(self._progress)
            self.size -= self._progress.size
            self._progress = None

    def take(self, most: int) -> tuple[Draft, ...]:
        """Remove and return drafts from the front: at least one, and of a size of at most `most` where that can be.

        Text is split to fit. A checkpoint is taken alone: its output may be as large as all the text before it.
        """
        taken: list[Draft] = []
        room = most
        self._text = self._progress = None
        while self._drafts:
            draft = self._drafts[0].sealed()
            if draft.size > room and isinstance(draft.body, TextDelta) and room > OVERHEAD:
                draft, self._drafts[0] = _split(draft, draft.body, room - OVERHEAD)
                self.size += OVERHEAD
            elif taken and (draft.size > room or isinstance(draft.body, StageFinished)):
                break
            else:
                self._drafts.popleft()
            taken.append(draft)
            room -= draft.size
            if isinstance(draft.body, StageFinished):
                break
        self.size -= most - room
        return tuple(taken)


def _split(draft: Draft, body: TextDelta, at: int) -> tuple[Draft, Draft]:
    first = TextDelta(body.stage, body.offset, body.text[:at])
    second = TextDelta(body.stage, body.offset + at, body.text[at:])
    return Draft(first, draft.progress, draft.time), Draft(second, draft.progress, draft.time)
