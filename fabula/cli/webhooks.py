"""The commands `fabula webhook …`. What does the work is imported when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fabula.cli.options import Address, Json, Token

if TYPE_CHECKING:
    from fabula.cli.webhook_calls import WebhookCommands

# ruff: noqa: PLC0415 - late imports are what this module is for

app = typer.Typer(help="Addresses of yours that are told when generations end.", no_args_is_help=True)

WebhookId = Annotated[
    str, typer.Argument(metavar="ID", help="Its id, as `fabula webhook list` shows it.", show_default=False)
]
Url = Annotated[str, typer.Argument(metavar="URL", help="Where requests go: https://…", show_default=False)]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Only these: story, character, image; may be repeated.", show_default=False),
]
States = Annotated[
    list[str] | None,
    typer.Option(
        "--state", help="Only those that end so: succeeded, failed, cancelled; may be repeated.", show_default=False
    ),
]
Description = Annotated[str, typer.Option(metavar="TEXT", help="What it is for.", show_default=False)]


def _webhooks(address: str | None, token: str | None, *, as_json: bool) -> WebhookCommands:
    from fabula.cli.connection import Servers
    from fabula.cli.webhook_calls import WebhookCommands

    return WebhookCommands(Servers(address, token), as_json=as_json)


@app.command()
def add(
    url: Url,
    *,
    kind: Kinds = None,
    state: States = None,
    description: Description = "",
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Register an address, and print its id and its secret: that is not shown again."""
    raise typer.Exit(_webhooks(address, token, as_json=as_json).add(url, kind or (), state or (), description))


@app.command("list")
def list_(*, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """List your webhooks, the oldest first."""
    raise typer.Exit(_webhooks(address, token, as_json=as_json).list())


@app.command()
def remove(id_: WebhookId, *, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Remove a webhook; what was to be sent to it is not."""
    raise typer.Exit(_webhooks(address, token, as_json=as_json).remove(id_))


@app.command("test")
def send_test(id_: WebhookId, *, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Have a test sent, and print how that went."""
    raise typer.Exit(_webhooks(address, token, as_json=as_json).test(id_))
