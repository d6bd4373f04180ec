"""The one readable log of `fabula up`: what each process writes, with its name before it. Pure but for the printing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

OURS = "fabula"
"""Whose lines the supervisor's own are."""

NAME_WIDTH = 12
COLOURS = ("cyan", "green", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta", "bright_blue")
STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "bold red", "critical": "bold red"}

NEWS = {
    "turn_ended": "has ended its turn with {generation_id} ({outcome})",
    "model_loading": "loading {model}",
    "model_ready": "{model} is loaded ({seconds} s)",
    "nats_server_restarted": "nats-server is back (process {pid})",
}
"""Entries of level info that are shown without `--verbose`, and how: those that tell what is being made."""

_META = ("event", "level", "timestamp", "process", "logger", "exception")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log.

    Attributes:
        process: Who wrote it.
        text: What to show.
        level: "debug" to "critical".
        news: Whether it is of interest to somebody who only wants to know that all is well.
        time: Local time of day; empty if it is not known.
        source: The line as the process wrote it, where that was JSON.
    """

    process: str
    text: str
    level: str = "info"
    news: bool = True
    time: str = ""
    source: str = ""

    @property
    def shown_quietly(self) -> bool:
        """Whether it is shown without `--verbose`."""
        return self.news or self.level in ("warning", "error", "critical")


def parse(process: str, line: str) -> Entry:
    """Read a line that a process wrote: one of our JSON entries, or anything else, which is shown as it is."""
    if line.startswith("{"):
        try:
            fields = json.loads(line)
        except ValueError:
            return Entry(process, line)
        if isinstance(fields, dict) and "event" in fields:
            return replace(from_fields(process, fields), source=line)
    return Entry(process, line)


def from_fields(process: str, fields: Mapping[str, Any]) -> Entry:
    """Make an entry of a structured one: the event, its fields in their order, a traceback below."""
    level = str(fields.get("level", "info"))
    event = str(fields["event"])
    pairs = [f"{key}={_short(value)}" for key, value in fields.items() if key not in _META]
    text = " ".join([event.replace("_", " ") if re.fullmatch(r"[a-z0-9_]+", event) else event, *pairs])
    if event in NEWS:
        with suppress(KeyError):
            text = NEWS[event].format_map(fields)
    if fields.get("exception"):
        text = f"{text}\n{fields['exception']}"
    return Entry(process, text, level, event in NEWS, _time_of_day(str(fields.get("timestamp", ""))))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return json.dumps(text, ensure_ascii=False) if " " in text else text


def _time_of_day(timestamp: str) -> str:
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return ""


class Printer(Protocol):
    """Shows entries."""

    def write(self, entry: Entry) -> None:
        """Show an entry, or not, if it is of no interest."""
        ...


class LogPrinter:
    """Writes entries for people to read.

    Args:
        console: Where.
        verbose: Whether everything is shown.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._colours: dict[str, str] = {OURS: "bold"}

    def write(self, entry: Entry) -> None:
        """Write an entry, unless it is of no interest."""
        if self._verbose or entry.shown_quietly:
            for line in self._lines(entry):
                self._console.print(line, soft_wrap=True)

    def _lines(self, entry: Entry) -> Iterator[Text]:
        time = entry.time or datetime.now().astimezone().strftime("%H:%M:%S")
        colour = self._colours.setdefault(entry.process, COLOURS[(len(self._colours) - 1) % len(COLOURS)])
        for line in entry.text.splitlines() or [""]:
            yield Text.assemble(
                (f"{time} ", "dim"), (f"{entry.process:<{NAME_WIDTH}} ", colour), (line, STYLES.get(entry.level, ""))
            )


class JsonPrinter:
    """Writes entries for programs: what the processes wrote, unchanged where it is JSON already.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, entry: Entry) -> None:
        """Write an entry as one JSON object."""
        fields = {"process": entry.process, "level": entry.level, "event": entry.text}
        self._console.out(entry.source or json.dumps(fields, ensure_ascii=False), highlight=False)
