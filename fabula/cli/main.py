"""The `fabula` command: what can be asked, with which options. Everything that does the work is imported when needed.

Start-up is measured by a test: `--help` and `health` must stay quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fabula.cli.exits import Exit, exit_of, lines_of
from fabula.cli.options import Address, Id, Json, Token
from fabula.errors import FabulaError

if TYPE_CHECKING:
    from fabula.cli.calls import Commands

# ruff: noqa: PLC0415 - late imports are what this module is for

app = typer.Typer(
    name="fabula",
    help="Stories, written live while you watch.",
    epilog="Exit codes: 0 success, 1 the story failed, 2 usage or settings, 3 cancelled, 4 not found, "
    "5 unavailable, 6 refused, 7 no valid token, 130 left by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUNNING, CONTROL, SYSTEM = "Stories", "Control", "System"


def main() -> NoReturn:
    """Run the command and exit; expected errors are told without a traceback."""
    try:
        app()
    except FabulaError as error:
        sys.stdout.flush()
        for line in lines_of(error):
            sys.stderr.write(f"{line}\n")
        sys.exit(exit_of(error))
    sys.exit(Exit.SUCCESS)


def _commands(address: str | None, token: str | None, *, as_json: bool = False) -> Commands:
    from fabula.cli.calls import Commands

    return Commands(address, token, as_json=as_json)


@app.command(rich_help_panel=SYSTEM)
def up(
    *,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for everything that is kept. [env: FABULA_DATA_DIR]", show_default=False),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(help="Port of the web page. [env: FABULA_HTTP_PORT; default: 8080]", show_default=False),
    ] = None,
    story_port: Annotated[
        int | None,
        typer.Option(help="Port of the story service. [env: FABULA_STORY_PORT; default: 50051]", show_default=False),
    ] = None,
    nats_url: Annotated[
        str | None,
        typer.Option(help="Use this NATS server, and start none. [env: FABULA_NATS_URL]", show_default=False),
    ] = None,
    text_model: Annotated[
        str | None,
        typer.Option(help="Who writes; without it, the bundled author. [env: FABULA_TEXT_MODEL]", show_default=False),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where a model runs. [env: FABULA_DEVICE; default: auto]", show_default=False)
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the whole log.")] = False,
) -> None:
    """Run everything on this machine; Ctrl-C stops it."""
    import asyncio

    from fabula.cli.up import up as run_up
    from fabula.settings import UpSettings, load_or_exit

    settings = load_or_exit(
        UpSettings,
        data_dir=data_dir,
        http_port=http_port,
        story_port=story_port,
        nats_url=nats_url,
        text_model=text_model,
        device=device,
    )
    raise typer.Exit(asyncio.run(run_up(settings, verbose=verbose)))


@app.command(rich_help_panel=RUNNING)
def story(
    premise: Annotated[str, typer.Argument(help="What it is about, in your words.", show_default=False)] = "",
    *,
    title: Annotated[str | None, typer.Option(help="Wanted title.", show_default=False)] = None,
    genre: Annotated[str | None, typer.Option(help="E.g. fantasy.", show_default=False)] = None,
    tone: Annotated[str | None, typer.Option(help="E.g. funny.", show_default=False)] = None,
    audience: Annotated[str | None, typer.Option(help="E.g. children.", show_default=False)] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, e.g. en.", show_default=False)] = None,
    character: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME: DESCRIPTION", help="Who must occur; may be repeated.", show_default=False),
    ] = None,
    words: Annotated[int | None, typer.Option(min=0, help="Wanted length.", show_default=False)] = None,
    chapters: Annotated[int | None, typer.Option(min=0, help="Wanted number of chapters.", show_default=False)] = None,
    instructions: Annotated[
        str | None, typer.Option(help="Your own prompt for the author.", show_default=False)
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Text to make it from, up to 1 MiB; - is standard input.", show_default=False
        ),
    ] = None,
    template: Annotated[
        str | None, typer.Option(metavar="NAME", help="Start from one of `fabula templates`.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Makes it repeatable.", show_default=False)
    ] = None,
    revisions: Annotated[
        int | None, typer.Option(min=0, help="How often it is revised at most.", show_default=False)
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="For language models.", show_default=False)] = None,
    top_p: Annotated[float | None, typer.Option(help="For language models.", show_default=False)] = None,
    request_id: Annotated[
        str, typer.Option(help="Idempotency key: the same one never starts two.", show_default=False)
    ] = "",
    watch: Annotated[bool, typer.Option(help="Watch it, or only start it and print its id.")] = True,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Ask for a story, and watch it being written."""
    from fabula.cli.story import Wishes

    wishes = Wishes(
        premise=premise,
        title=title,
        genre=genre,
        tone=tone,
        audience=audience,
        language=language,
        characters=character or (),
        words=words,
        chapters=chapters,
        instructions=instructions,
        source=source,
        seed=seed,
        revisions=revisions,
        temperature=temperature,
        top_p=top_p,
    )
    raise typer.Exit(_commands(address, token, as_json=as_json).tell(wishes, template, request_id, watch=watch))


@app.command(rich_help_panel=RUNNING)
def watch(
    id_: Id,
    after: Annotated[int, typer.Option(min=0, help="Only events after this one of the log.")] = 0,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Watch a story to its end; Ctrl-C leaves it running."""
    raise typer.Exit(_commands(address, token, as_json=as_json).watch(id_, after))


@app.command("list", rich_help_panel=RUNNING)
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only those queued, running, paused, succeeded, failed, cancelled; may be repeated.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """List your stories, newest first."""
    from fabula.cli.rendering import state_number

    try:
        states = [state_number(name) for name in state or ()]
    except (KeyError, ValueError):
        raise typer.BadParameter(
            "should be queued, running, paused, succeeded, failed or cancelled", param_hint="--state"
        ) from None
    raise typer.Exit(_commands(address, token, as_json=as_json).list(states, limit))


@app.command(rich_help_panel=RUNNING)
def show(
    id_: Id,
    *,
    outline: Annotated[bool, typer.Option("--outline", help="The plan.")] = False,
    reviews: Annotated[bool, typer.Option("--reviews", help="What the Critic said.")] = False,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Print a story, or what there is of it so far."""
    raise typer.Exit(_commands(address, token, as_json=as_json).show(id_, outline=outline, reviews=reviews))


@app.command(rich_help_panel=RUNNING)
def templates(address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """List ready-made requests to start from."""
    raise typer.Exit(_commands(address, token, as_json=as_json).templates())


@app.command(rich_help_panel=CONTROL)
def cancel(id_: Id, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Cancel a story; what is written stays."""
    raise typer.Exit(_commands(address, token, as_json=as_json).control("CancelGeneration", id_))


@app.command(rich_help_panel=CONTROL)
def pause(id_: Id, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Pause a story; it survives restarts."""
    raise typer.Exit(_commands(address, token, as_json=as_json).control("PauseGeneration", id_))


@app.command(rich_help_panel=CONTROL)
def resume(id_: Id, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Go on with a paused story."""
    raise typer.Exit(_commands(address, token, as_json=as_json).control("ResumeGeneration", id_))


@app.command(rich_help_panel=CONTROL)
def retry(
    id_: Id,
    from_stage: Annotated[
        str,
        typer.Option(
            "--from", metavar="STAGE", help="First stage to do again; else the one that failed.", show_default=False
        ),
    ] = "",
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Try a failed story again; finished stages are kept."""
    commands = _commands(address, token, as_json=as_json)
    raise typer.Exit(commands.control("RetryGeneration", id_, from_stage=from_stage))


@app.command(rich_help_panel=CONTROL)
def delete(
    id_: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Delete a story and all it made."""
    raise typer.Exit(_commands(address, token, as_json=as_json).delete(id_, sure=yes))


@app.command(rich_help_panel=SYSTEM)
def health(
    address: Annotated[
        str, typer.Argument(help="HOST:PORT of a gRPC server, or http://HOST:PORT/healthz.", show_default=False)
    ],
    service: Annotated[str, typer.Option(help="Full name of a gRPC service.", show_default=False)] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait.")] = 3.0,
) -> None:
    """Ask a process whether it is well; for container health checks."""
    from fabula.cli.health import check

    sys.stdout.write(f"{check(address, service, timeout)}\n")


@app.command(rich_help_panel=SYSTEM)
def doctor(address: Address = None, as_json: Json = False) -> None:
    """Look at what is installed, reachable and loaded, and say what to do about what is not."""
    from fabula.cli.doctor import doctor as look

    raise typer.Exit(look(address, as_json=as_json))


@app.command(rich_help_panel=SYSTEM)
def version() -> None:
    """Print the version."""
    from fabula.cli.doctor import installed_version

    sys.stdout.write(f"fabula {installed_version()}\n")
