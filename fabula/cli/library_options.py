"""The options of `fabula characters`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CharacterId = Annotated[
    str, typer.Argument(metavar="ID", help="Its id, as `fabula characters list` shows it.", show_default=False)
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="WORDS", help="Only those in whose names or looks all of these occur.", show_default=False),
]
Saved = Annotated[
    bool | None,
    typer.Option("--saved/--unsaved", help="Only those that are saved, or are not.", show_default=False),
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FIELD=VALUE", help="What it is from now on, e.g. age=41; of traits, with commas.", show_default=False
    ),
]
HistoryFile = Annotated[
    Path | None,
    typer.Option("--history", metavar="FILE", help="Its history from now on; - is standard input.", show_default=False),
]
Etag = Annotated[
    str, typer.Option(metavar="ETAG", help="Refuse if it has changed since this was read.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
