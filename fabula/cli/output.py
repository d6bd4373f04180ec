"""Printing: results to standard output, what is said about them to standard error."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

WIDEST = 88
"""Longer lines are hard to read."""


def put(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def put_text(text: str) -> None:
    """Print a text that is a result: for people in lines that their terminal can hold, else as it is."""
    if sys.stdout.isatty():
        console = Console(highlight=False)
        console.print(Text(text), width=min(console.width, WIDEST))
    else:
        put(text)


def say(text: str, *, only_people: bool = False) -> None:
    """Say something about it, if wanted only where a person reads."""
    if not only_people or sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(Text(text, "dim"), soft_wrap=True)
