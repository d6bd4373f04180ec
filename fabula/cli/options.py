"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where the server is. [env: FABULA_STORY_ADDRESS, FABULA_CHARACTER_ADDRESS, FABULA_IMAGE_ADDRESS; "
        "default: ports 50051, 50052 and 50053 of this machine]",
        show_default=False,
    ),
]
Token = Annotated[str | None, typer.Option(metavar="JWT", help="Who you are. [env: FABULA_TOKEN]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Its id, as `fabula list` shows it.", show_default=False)]
RequestId = Annotated[str, typer.Option(help="Idempotency key: the same one never starts two.", show_default=False)]
BatchFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="JSON as POST /v1/batches takes it, or one item a line; - is standard input.",
        show_default=False,
    ),
]
WatchIt = Annotated[bool, typer.Option("--watch/--no-watch", help="Watch it, or only start it and print its id.")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Makes it repeatable.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that are there already.")]
SaveAs = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to save it; - is standard output.", show_default=False),
]
Preview = Annotated[
    str,
    typer.Option(metavar="HOW", help="How the terminal shows a picture that forms: auto, kitty, iterm, blocks, none."),
]
