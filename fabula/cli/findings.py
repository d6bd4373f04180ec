"""What the doctor finds, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.text import Text


class Verdict(StrEnum):
    """How a finding is meant."""

    FINE = "fine"
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    PROBLEM = "problem"
    """Something does not work until something is done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: What it was.
        verdict: How it is.
        text: What was found.
        advice: What to do about it; empty where nothing is to be done.
    """

    about: str
    verdict: Verdict
    text: str
    advice: str = ""


def fine(about: str, text: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(about, Verdict.FINE, text)


def note(about: str, text: str, advice: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(about, Verdict.NOTE, text, advice)


def problem(about: str, text: str, advice: str) -> Finding:
    """Return a finding that something has to be done."""
    return Finding(about, Verdict.PROBLEM, text, advice)


_MARKS = {Verdict.FINE: ("✓", "green"), Verdict.NOTE: ("·", "blue"), Verdict.PROBLEM: ("✗", "bold red")}
_INDENT = 18


def tell(finding: Finding, console: Console) -> None:
    """Print a finding for a person."""
    mark, style = _MARKS[finding.verdict]
    line = Text.assemble((f"{mark} ", style), (f"{finding.about:<{_INDENT - 3}} ", "bold"), finding.text)
    console.print(line, soft_wrap=True)
    if finding.advice:
        console.print(Text(f"{' ' * _INDENT}{finding.advice}", "dim"), soft_wrap=True)


def summarise(problems: int, console: Console) -> None:
    """Print what it all comes to."""
    summary = f"{problems} problem{'s' if problems != 1 else ''} found." if problems else "Nothing is wrong."
    console.print(Text(f"\n{summary}", "bold red" if problems else "bold green"))
