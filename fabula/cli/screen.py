"""A generation on a terminal: the text as it is written or the picture as it forms, and a progress bar beneath it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fabula.api.generation.v1.generation_pb2 import Progress, State
from fabula.cli.faces import Face
from fabula.cli.output import WIDEST
from fabula.cli.rendering import clock, remaining
from fabula.cli.telling import Heading, Item, Passage, Remark

if TYPE_CHECKING:
    from fabula.cli.pane import Pane

REFRESHES_PER_SECOND = 8.0
STYLES = {"info": "dim", "good": "bold green", "warning": "yellow", "error": "bold red"}
ENDED = (State.STATE_SUCCEEDED, State.STATE_FAILED, State.STATE_CANCELLED)


class Typesetter:
    """Breaks text that comes in pieces into lines; a line is given out when nothing can change it any more.

    Args:
        width: Columns of a line.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self.rest = ""
        """The line that is still being written."""

    def add(self, text: str) -> list[str]:
        """Take the next piece, and return the lines that are complete now."""
        *paragraphs, last = (self.rest + text).split("\n")
        done = [line for paragraph in paragraphs for line in self._wrap(paragraph)]
        *full, self.rest = self._wrap(last)
        return done + full

    def finish(self) -> list[str]:
        """Return what is left."""
        left, self.rest = self.rest, ""
        return [left.rstrip()] if left.strip() else []

    def _wrap(self, text: str) -> list[str]:
        """Return the lines of a paragraph, at least one; the last one keeps the space it ends with."""
        lines = [line.plain.rstrip() for line in Text(text).wrap(_MEASURE, self._width)] or [""]
        lines[-1] += text[len(text.rstrip()) :]
        return lines


_MEASURE = Console(file=sys.stderr, width=WIDEST)
"""Text is measured without regard to where it goes."""


class ScreenView:
    """Shows a generation on the terminal that standard error is.

    Args:
        face: How the kind is shown.
        into_file: Whether standard output goes elsewhere: then the finished text goes there, and no text here.
        console: The terminal; standard error if absent.
        pane: Where previews are shown; None: nowhere.
    """

    def __init__(
        self, face: Face, *, into_file: bool = False, console: Console | None = None, pane: Pane | None = None
    ) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._face = face
        self._into_file = into_file
        self._pane = pane
        self._teller = face.teller()
        self._lines = Typesetter(min(self._console.width, WIDEST))
        self._in_text = self._remarked = False
        self._progress = Progress()
        self._state: int = State.STATE_UNSPECIFIED
        self._known_at = time.monotonic()
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def show(self, response: Any) -> None:
        """Show what the response brings."""
        event = response.event
        if event.state in ENDED:
            self.close()
        self._progress, self._state, self._known_at = event.progress, event.state, time.monotonic()
        for item in self._teller.tell(response):
            self._show(item)
        if event.WhichOneof("body") == "preview" and self._pane is not None:
            with self._bar_away():
                self._pane.draw(event.preview.image)
        if self._into_file and event.WhichOneof("body") == "succeeded":
            sys.stdout.write(self._face.text(response))
            sys.stdout.flush()

    def close(self) -> None:
        """Take the progress bar away."""
        self._end_text()
        self._live.stop()

    def _show(self, item: Item) -> None:
        match item:
            case Passage(text):
                if not self._into_file:
                    self._leave_a_gap()
                    self._in_text = True
                    self._print_lines(self._lines.add(text))
            case Heading(text):
                if not self._into_file:
                    self._end_text()
                    self._leave_a_gap()
                    self._console.print(Text(f"{text}\n", "bold"), soft_wrap=True)
            case Remark(text, level, detail):
                if not detail:
                    self._end_text()
                    self._remark(Text(text, STYLES[level]))
                    self._remarked = True

    def _remark(self, text: Text) -> None:
        """Print a line; above the picture where there is one, which is drawn again."""
        copied = "fabula " in text.plain  # a command must not be cut in two
        if self._pane is None:
            self._console.print(text, soft_wrap=copied)
            return
        with self._bar_away(), self._pane.away():
            self._console.print(text, soft_wrap=copied)

    @contextmanager
    def _bar_away(self) -> Iterator[None]:
        """Take the progress bar away while something is written above it."""
        shown = self._live.is_started
        self._live.stop()
        try:
            yield
        finally:
            if shown:
                self._live.start()

    def _leave_a_gap(self) -> None:
        if self._remarked:
            self._print_lines([""])
            self._remarked = False

    def _end_text(self) -> None:
        if self._in_text:
            self._print_lines([*self._lines.finish(), ""])
            self._in_text = False

    def _print_lines(self, lines: list[str]) -> None:
        if lines:
            self._console.print(Text("\n".join(line.rstrip() for line in lines)), soft_wrap=True)

    def _render(self) -> RenderableType:
        rows: list[RenderableType] = [Text(self._lines.rest.rstrip())] if self._lines.rest.strip() else []
        return Group(*rows, self._bar(), self._doing())

    def _bar(self) -> Table:
        passed = time.monotonic() - self._known_at if self._state == State.STATE_RUNNING else 0.0
        elapsed = self._progress.elapsed.ToTimedelta().total_seconds() + passed
        bar = Table.grid(padding=(0, 1), expand=False)
        bar.add_column(width=min(40, self._console.width // 2))
        bar.add_column(no_wrap=True)
        bar.add_row(
            ProgressBar(total=1.0, completed=self._progress.fraction),
            f"{int(self._progress.fraction * 100):3d}%  {clock(elapsed)}, left: {remaining(self._progress, passed)}",
        )
        return bar

    def _doing(self) -> Text:
        progress = self._progress
        match self._state:
            case State.STATE_PAUSED:
                text = "Paused"
            case State.STATE_QUEUED if progress.HasField("queue_position"):
                text = f"Waiting; {progress.queue_position} go before" if progress.queue_position else "Waiting; next"
            case State.STATE_QUEUED | State.STATE_UNSPECIFIED:
                text = "Waiting"
            case _:
                text = ": ".join(part for part in (", ".join(progress.active_agents), progress.message) if part)
                if self._face.counts_steps and progress.HasField("steps"):
                    text += f", step {progress.step} of {progress.steps}"
        return Text(text, "dim", no_wrap=True, overflow="ellipsis")
