"""Printing: results to standard output, what is said about them to standard error."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


def put(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def say(text: str, *, only_people: bool = False) -> None:
    """Say something about it, if wanted only where a person reads."""
    if not only_people or sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(Text(text, "dim"), soft_wrap=True)
