"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where the story server is. [env: FABULA_STORY_ADDRESS; default: 127.0.0.1:50051]",
        show_default=False,
    ),
]
Token = Annotated[str | None, typer.Option(metavar="JWT", help="Who you are. [env: FABULA_TOKEN]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The story's id, as `fabula list` shows it.", show_default=False)]
