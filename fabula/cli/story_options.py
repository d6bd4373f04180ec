"""The options of `fabula story`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(help_: str, **more: Any) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(help=help_, show_default=False, **more)
    return found


Premise = Annotated[str, typer.Argument(help="What it is about, in your words.", show_default=False)]
Title = Annotated[str | None, _option("Wanted title.")]
Genre = Annotated[str | None, _option("E.g. fantasy.")]
Tone = Annotated[str | None, _option("E.g. funny.")]
Audience = Annotated[str | None, _option("E.g. children.")]
Language = Annotated[str | None, _option("BCP 47 tag, e.g. en.")]
Characters = Annotated[
    list[str] | None, _option("Who must occur, or the id of a character; may be repeated.", metavar="NAME: DESCRIPTION")
]
Words = Annotated[int | None, _option("Wanted length.", min=0)]
Chapters = Annotated[int | None, _option("Wanted number of chapters.", min=0)]
Instructions = Annotated[str | None, _option("Your own prompt for the author.")]
Source = Annotated[Path | None, _option("Text to make it from, up to 1 MiB; - is standard input.", metavar="FILE")]
Template = Annotated[str | None, _option("Start from one of `fabula templates`.", metavar="NAME")]
Revisions = Annotated[int | None, _option("How often it is revised at most.", min=0)]
ForLanguageModels = Annotated[float | None, _option("For language models.")]
