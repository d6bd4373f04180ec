"""The options of `fabula character`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(help_: str, *names: str, **more: Any) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(*names, help=help_, show_default=False, **more)
    return found


Description = Annotated[str, typer.Argument(help="Who it is, in your words.", show_default=False)]
Picture = Annotated[
    Path | None,
    _option("How it looks: a picture of up to 10 MiB; - is standard input.", "--from", "--image", metavar="FILE"),
]
Style = Annotated[str | None, _option("Manner and mood, e.g. noir.", "--style")]
Language = Annotated[str | None, _option("BCP 47 tag, e.g. en.", "--language")]
SaveAs = Annotated[
    Path | None,
    _option("Where to save its avatar. [default: in this folder, under its name]", "--output", "-o", metavar="FILE"),
]
Avatar = Annotated[bool | None, _option("Whether an avatar is painted of it.", "--avatar/--no-avatar")]
