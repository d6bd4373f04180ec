"""The commands that read what there is beside generations themselves: logs, templates, models."""

from __future__ import annotations

from typing import Annotated

import typer

from fabula.cli.options import Address, Id, Json, Token

# ruff: noqa: PLC0415 - what does the work is imported when needed

RUNNING = "Stories, characters and pictures"

app = typer.Typer()


@app.command(rich_help_panel=RUNNING)
def log(
    id_: Id,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Also those to come, to the end of the run.")] = False,
    level: Annotated[str, typer.Option(help="At least so important: info, warning or error.")] = "info",
    after: Annotated[int, typer.Option(min=0, help="Only lines of events after this one.")] = 0,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Print the lines of a generation's log: what went on."""
    from fabula.cli.connection import Servers
    from fabula.cli.log_calls import LogCommands
    from fabula.rpc.log_records import LEVELS

    if level.upper() not in LEVELS:
        raise typer.BadParameter("should be info, warning or error", param_hint="--level")
    commands = LogCommands(Servers(address, token), as_json=as_json)
    raise typer.Exit(commands.log(id_, after, level.upper(), follow=follow))


@app.command(rich_help_panel=RUNNING)
def templates(address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """List ready-made requests for stories to start from."""
    from fabula.cli.connection import Servers
    from fabula.cli.story_calls import StoryCommands

    raise typer.Exit(StoryCommands(Servers(address, token), as_json=as_json).templates())


@app.command(rich_help_panel=RUNNING)
def models(address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Tell what the model that paints can do."""
    from fabula.cli.connection import Servers
    from fabula.cli.image_calls import ImageCommands

    raise typer.Exit(ImageCommands(Servers(address, token), as_json=as_json).models())
