"""The commands `fabula characters …`: what can be asked of the library. What does the work is imported when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fabula.cli import library_options as library_with
from fabula.cli.options import Address, Json, RequestId, Token

if TYPE_CHECKING:
    from fabula.cli.library_calls import LibraryCommands

# ruff: noqa: PLC0415 - late imports are what this module is for

app = typer.Typer(help="The characters that you have: list, read, change, keep and discard them.", no_args_is_help=True)


def _library(address: str | None, token: str | None, *, as_json: bool) -> LibraryCommands:
    from fabula.cli.connection import Servers
    from fabula.cli.library_calls import LibraryCommands

    return LibraryCommands(Servers(address, token), as_json=as_json)


@app.command("list")
def list_(
    words: library_with.Words = None,
    *,
    saved: library_with.Saved = None,
    limit: library_with.Limit = 20,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """List your characters, newest first."""
    library = _library(address, token, as_json=as_json)
    raise typer.Exit(library.list_characters(" ".join(words or ()), saved, limit))


@app.command()
def show(id_: library_with.CharacterId, *, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Print a character as it now is."""
    raise typer.Exit(_library(address, token, as_json=as_json).show(id_))


@app.command()
def save(id_: library_with.CharacterId, *, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Keep a character for good."""
    raise typer.Exit(_library(address, token, as_json=as_json).save(id_))


@app.command()
def repaint(
    id_: library_with.CharacterId,
    *,
    request_id: RequestId = "",
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Have a new avatar painted of a character, and print the id of the picture."""
    raise typer.Exit(_library(address, token, as_json=as_json).repaint(id_, request_id))


@app.command("set")
def set_(
    id_: library_with.CharacterId,
    changes: library_with.Changes = None,
    *,
    history: library_with.HistoryFile = None,
    etag: library_with.Etag = "",
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Change who a character is, or its history."""
    raise typer.Exit(_library(address, token, as_json=as_json).set(id_, changes or (), history, etag))


@app.command()
def discard(
    id_: library_with.CharacterId,
    *,
    yes: library_with.Yes = False,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Remove a character, its avatar and the generation that made it."""
    raise typer.Exit(_library(address, token, as_json=as_json).discard(id_, sure=yes))
