"""Watching a generation: the loop, and the ways to show it (terminal, plain lines, JSON, not at all).

Standard output carries the text that is made, or the JSON; standard error what is said about it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.json_format import MessageToDict

from fabula.api.generation.v1.generation_pb2 import State
from fabula.cli.exits import Exit
from fabula.cli.faces import Face, face_of
from fabula.cli.telling import Remark

if TYPE_CHECKING:
    from fabula.cli.pane import Pane


class View(Protocol):
    """Shows a generation to its watcher."""

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
    """One generation being watched.

    Args:
        generation_id: Which.
        view: Shows it.
        sequence: The last event that the watcher has.

    Attributes:
        sequence: The last event that was shown.
        last: The response that ended the run; None until it has ended.
    """

    def __init__(self, generation_id: str, view: View, sequence: int = 0) -> None:
        self.generation_id = generation_id
        self.sequence = sequence
        self.last: Any = None
        self._view = view

    async def follow(self, responses: AsyncIterator[Any]) -> Exit:
        """Show the events to the end of the run; return what it comes to as an exit code."""
        state = State.STATE_UNSPECIFIED
        try:
            async for response in responses:
                self._view.show(response)
                if response.event.sequence:
                    self.sequence, state = response.event.sequence, response.event.state
                    self.last = response if state in ENDS else None
        finally:
            self._view.close()
        return ENDS.get(state, Exit.UNAVAILABLE)

    def how_to_come_back(self, options: str = "") -> str:
        """Return what a watcher who leaves is told; `options` stood behind the command, e.g. " -o castle.png"."""
        id_ = self.generation_id
        return (
            f"Detached; the {face_of(id_).noun} goes on without you.\n"
            f"  come back:  fabula watch {id_}{options}\n"
            f"  from here:  fabula watch {id_}{options} --after {self.sequence}\n"
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


class QuietView:
    """Nothing."""

    def show(self, _response: Any) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class PlainView:
    """A line for each step on standard error, and the finished text on standard output.

    Args:
        face: How the kind is shown.
    """

    def __init__(self, face: Face) -> None:
        self._face = face
        self._teller = face.teller()

    def show(self, response: Any) -> None:
        """Print what the response brings."""
        percent = int(response.event.progress.fraction * 100)
        for item in self._teller.tell(response):
            if isinstance(item, Remark):
                sys.stderr.write(f"[{percent:3d}%] {item.text}\n")
        sys.stderr.flush()
        if response.event.WhichOneof("body") == "succeeded":
            sys.stdout.write(self._face.text(response))
            sys.stdout.flush()

    def close(self) -> None:
        """Do nothing."""


def view_of(face: Face, *, as_json: bool, quiet: bool = False, pane: Pane | None = None) -> View:
    """Return the way to show that fits where the output goes; `pane` is where a terminal shows previews."""
    if as_json:
        return JsonView()
    if quiet:
        return QuietView()
    if sys.stderr.isatty():
        from fabula.cli.screen import ScreenView  # noqa: PLC0415 - programs do without

        return ScreenView(face, into_file=not sys.stdout.isatty(), pane=pane)
    return PlainView(face)
