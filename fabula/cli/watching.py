"""Watching a story: the loop, and the three ways to show it (terminal, plain lines, JSON).

Standard output carries the story, or the JSON; standard error what is said about it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any, Protocol

from google.protobuf.json_format import MessageToDict

from fabula.api.generation.v1.generation_pb2 import State
from fabula.cli.exits import Exit
from fabula.cli.telling import Remark, Teller


class View(Protocol):
    """Shows a story to its watcher."""

    def show(self, response: Any) -> None:
        """Show the next WatchProgressResponse."""
        ...

    def close(self) -> None:
        """Nothing more comes: leave the terminal in order. Idempotent."""
        ...


ENDS = {
    State.STATE_SUCCEEDED: Exit.SUCCESS,
    State.STATE_FAILED: Exit.FAILED,
    State.STATE_CANCELLED: Exit.CANCELLED,
}


class Watch:
    """One story being watched.

    Args:
        generation_id: Which.
        view: Shows it.
        sequence: The last event that the watcher has.

    Attributes:
        sequence: The last event that was shown.
    """

    def __init__(self, generation_id: str, view: View, sequence: int = 0) -> None:
        self.generation_id = generation_id
        self.sequence = sequence
        self._view = view

    async def follow(self, responses: AsyncIterator[Any]) -> Exit:
        """Show the events to the end of the run; return what it comes to as an exit code."""
        state = State.STATE_UNSPECIFIED
        try:
            async for response in responses:
                self._view.show(response)
                self.sequence = response.event.sequence or self.sequence
                state = response.event.state
        finally:
            self._view.close()
        return ENDS.get(state, Exit.UNAVAILABLE)

    def how_to_come_back(self) -> str:
        """Return what a watcher who leaves is told."""
        id_ = self.generation_id
        return (
            f"Detached; the story goes on without you.\n"
            f"  come back:  fabula watch {id_}\n"
            f"  from here:  fabula watch {id_} --after {self.sequence}\n"
            f"  cancel it:  fabula cancel {id_}\n"
        )


def to_json(message: Any) -> str:
    """Return a message as one line of proto3 JSON."""
    return json.dumps(MessageToDict(message), ensure_ascii=False, separators=(",", ":"))


class JsonView:
    """Each event as one line of JSON on standard output."""

    def show(self, response: Any) -> None:
        """Print the response."""
        sys.stdout.write(to_json(response) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Do nothing."""


class PlainView:
    """A line for each step on standard error, and the finished story on standard output.

    Args:
        story: Whether the finished story is printed.
    """

    def __init__(self, *, story: bool = True) -> None:
        self._teller = Teller()
        self._story = story

    def show(self, response: Any) -> None:
        """Print what the response brings."""
        percent = int(response.event.progress.fraction * 100)
        for item in self._teller.tell(response):
            if isinstance(item, Remark):
                sys.stderr.write(f"[{percent:3d}%] {item.text}\n")
        sys.stderr.flush()
        if self._story and response.event.WhichOneof("body") == "succeeded":
            sys.stdout.write(response.story.text)
            sys.stdout.flush()

    def close(self) -> None:
        """Do nothing."""


def view_of(*, as_json: bool) -> View:
    """Return the way to show that fits where the output goes."""
    if as_json:
        return JsonView()
    if sys.stdout.isatty() and sys.stderr.isatty():
        from fabula.cli.screen import ScreenView  # noqa: PLC0415 - programs do without

        return ScreenView()
    if sys.stderr.isatty():
        from fabula.cli.screen import ScreenView  # noqa: PLC0415 - programs do without

        return ScreenView(into_file=True)
    return PlainView()
