"""The `fabula` command: what can be asked, with which options. Everything that does the work is imported when needed.

Start-up is measured by a test: `--help` and `health` must stay quick.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fabula.cli import character_options as character_with
from fabula.cli import image_options as image_with
from fabula.cli import library, reading, webhooks
from fabula.cli import story_options as story_with
from fabula.cli import system_options as system_with
from fabula.cli import up_options as up_with
from fabula.cli.exits import Exit, exit_of, lines_of
from fabula.cli.options import Address, BatchFile, Force, Id, Json, Preview, RequestId, SaveAs, Seed, Token, WatchIt
from fabula.errors import FabulaError, InvalidRequest

if TYPE_CHECKING:
    from fabula.cli.calls import Commands
    from fabula.cli.character_calls import CharacterCommands
    from fabula.cli.image_calls import ImageCommands
    from fabula.cli.story_calls import StoryCommands

# ruff: noqa: PLC0415 - late imports are what this module is for

app = typer.Typer(
    name="fabula",
    help="Stories, characters and pictures, made live while you watch.",
    epilog="Exit codes: 0 success, 1 it failed, 2 usage or settings, 3 cancelled, 4 not found, "
    "5 unavailable, 6 refused, 7 no valid token, 130 left by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUNNING, CONTROL, SYSTEM = "Stories, characters and pictures", "Control", "System"
app.add_typer(library.app, name="characters", rich_help_panel=RUNNING)
app.add_typer(reading.app)
app.add_typer(webhooks.app, name="webhook", rich_help_panel=RUNNING)


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
    from fabula.cli.connection import Servers

    return Commands(Servers(address, token), as_json=as_json)


def _stories(address: str | None, token: str | None, *, as_json: bool = False) -> StoryCommands:
    from fabula.cli.connection import Servers
    from fabula.cli.story_calls import StoryCommands

    return StoryCommands(Servers(address, token), as_json=as_json)


def _images(address: str | None, token: str | None, *, as_json: bool = False) -> ImageCommands:
    from fabula.cli.connection import Servers
    from fabula.cli.image_calls import ImageCommands

    return ImageCommands(Servers(address, token), as_json=as_json)


def _characters(address: str | None, token: str | None, *, as_json: bool = False) -> CharacterCommands:
    from fabula.cli.character_calls import CharacterCommands
    from fabula.cli.connection import Servers

    return CharacterCommands(Servers(address, token), as_json=as_json)


def _kind_name(id_: str) -> str:
    return id_.partition("-")[0]


@app.command(rich_help_panel=SYSTEM)
def up(
    *,
    data_dir: up_with.DataDir = None,
    http_port: up_with.HttpPort = None,
    story_port: up_with.StoryPort = None,
    character_port: up_with.CharacterPort = None,
    image_port: up_with.ImagePort = None,
    nats_url: up_with.NatsUrl = None,
    text_model: up_with.TextModel = None,
    image_model: up_with.ImageModel = None,
    vision_model: up_with.VisionModel = None,
    device: up_with.Device = None,
    generators: up_with.Generators = None,
    verbose: up_with.Verbose = False,
) -> None:
    """Run everything on this machine; Ctrl-C stops it."""
    import asyncio

    from fabula.cli.up import up as run_up
    from fabula.settings import UpSettings, load_or_exit

    settings = load_or_exit(
        UpSettings, data_dir=data_dir, http_port=http_port, story_port=story_port, character_port=character_port,
        image_port=image_port, nats_url=nats_url, text_model=text_model, image_model=image_model,
        vision_model=vision_model, device=device, generators=generators,
    )  # fmt: skip
    raise typer.Exit(asyncio.run(run_up(settings, verbose=verbose)))


@app.command(rich_help_panel=RUNNING)
def story(
    premise: story_with.Premise = "",
    *,
    title: story_with.Title = None,
    genre: story_with.Genre = None,
    tone: story_with.Tone = None,
    audience: story_with.Audience = None,
    language: story_with.Language = None,
    character: story_with.Characters = None,
    words: story_with.Words = None,
    chapters: story_with.Chapters = None,
    instructions: story_with.Instructions = None,
    source: story_with.Source = None,
    template: story_with.Template = None,
    seed: Seed = None,
    revisions: story_with.Revisions = None,
    temperature: story_with.ForLanguageModels = None,
    top_p: story_with.ForLanguageModels = None,
    request_id: RequestId = "",
    watch: WatchIt = True,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Ask for a story, and watch it being written."""
    from fabula.cli.story import Wishes

    wishes = Wishes(
        premise=premise, title=title, genre=genre, tone=tone, audience=audience, language=language,
        characters=character or (), words=words, chapters=chapters, instructions=instructions, source=source,
        seed=seed, revisions=revisions, temperature=temperature, top_p=top_p,
    )  # fmt: skip
    raise typer.Exit(_stories(address, token, as_json=as_json).tell(wishes, template, request_id, watch=watch))


@app.command(rich_help_panel=RUNNING)
def character(
    description: character_with.Description = "",
    *,
    picture: character_with.Picture = None,
    style: character_with.Style = None,
    language: character_with.Language = None,
    seed: Seed = None,
    avatar: character_with.Avatar = None,
    output: character_with.SaveAs = None,
    force: Force = False,
    preview: Preview = "auto",
    request_id: RequestId = "",
    watch: WatchIt = True,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Ask for a character, watch it come to be and its avatar form, and save that."""
    from fabula.cli.character_calls import CharacterWishes
    from fabula.cli.image_calls import Output

    wishes = CharacterWishes(description, picture, style, language, seed, avatar)
    commands = _characters(address, token, as_json=as_json)
    raise typer.Exit(commands.make(wishes, Output(output, force, preview=preview), request_id, watch=watch))


@app.command(rich_help_panel=RUNNING)
def image(
    prompt: image_with.Prompt,
    *,
    output: SaveAs = None,
    force: Force = False,
    negative: image_with.Negative = None,
    width: image_with.Width = None,
    height: image_with.Height = None,
    steps: image_with.Steps = None,
    guidance: image_with.Guidance = None,
    seed: Seed = None,
    count: image_with.Count = None,
    scheduler: image_with.Scheduler = None,
    refine: image_with.Refine = None,
    handover: image_with.Handover = None,
    high_quality: image_with.HighQuality = False,
    source: image_with.Source = None,
    strength: image_with.Strength = None,
    format_: image_with.Format = None,
    preview: Preview = "auto",
    preview_steps: image_with.PreviewSteps = None,
    request_id: RequestId = "",
    watch: WatchIt = True,
    quiet: image_with.Quiet = False,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Ask for pictures, watch them form, and save them."""
    from fabula.cli.image import ImageWishes
    from fabula.cli.image_calls import Output

    wishes = ImageWishes(
        prompt=prompt, negative_prompt=negative, width=width, height=height, steps=steps, guidance=guidance, seed=seed,
        count=count, scheduler=scheduler, use_refinement=refine, handover=handover, high_quality=high_quality,
        source=source, strength=strength, preview_interval=preview_steps,
    )  # fmt: skip
    commands = _images(address, token, as_json=as_json)
    raise typer.Exit(commands.paint(wishes, format_, Output(output, force, quiet, preview), request_id, watch=watch))


@app.command(rich_help_panel=RUNNING)
def watch(
    id_: Id,
    after: Annotated[int, typer.Option(min=0, help="Only events after this one of the log.")] = 0,
    *,
    output: SaveAs = None,
    force: Force = False,
    preview: Preview = "auto",
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Watch a generation to its end; Ctrl-C leaves it running."""
    if _kind_name(id_) == "image":
        from fabula.cli.image_calls import Output

        images = _images(address, token, as_json=as_json)
        raise typer.Exit(images.watch_and_save(id_, after, Output(output, force, preview=preview)))
    if output is not None:
        raise InvalidRequest("Only pictures are saved with -o: a text that is watched goes to standard output.")
    raise typer.Exit(_commands(address, token, as_json=as_json).watch(id_, after))


@app.command("list", rich_help_panel=RUNNING)
def list_(
    *,
    kind: Annotated[str, typer.Option(help="Only these: story, character, image, or all.")] = "all",
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
    """List your stories, characters and pictures, newest first."""
    from fabula.cli.rendering import state_number
    from fabula.rpc.kinds import KINDS

    if kind not in {"all", *KINDS}:
        raise typer.BadParameter(f"should be {', '.join(KINDS)} or all", param_hint="--kind")
    try:
        states = [state_number(name) for name in state or ()]
    except (KeyError, ValueError):
        raise typer.BadParameter(
            "should be queued, running, paused, succeeded, failed or cancelled", param_hint="--state"
        ) from None
    raise typer.Exit(_commands(address, token, as_json=as_json).list(kind, states, limit))


@app.command(rich_help_panel=RUNNING)
def show(
    id_: Id,
    *,
    outline: Annotated[bool, typer.Option("--outline", help="The plan of a story.")] = False,
    reviews: Annotated[bool, typer.Option("--reviews", help="What the Critic said of a story.")] = False,
    output: SaveAs = None,
    force: Force = False,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Print a story or a character, or what there is of it so far; tell of pictures, or save them."""
    match _kind_name(id_):
        case "story":
            stories = _stories(address, token, as_json=as_json)
            raise typer.Exit(stories.show(id_, outline=outline, reviews=reviews, output=output, force=force))
        case "image":
            from fabula.cli.image_calls import Output

            raise typer.Exit(_images(address, token, as_json=as_json).show(id_, Output(output, force)))
        case "character":
            raise typer.Exit(_characters(address, token, as_json=as_json).show(id_))
        case _:
            raise typer.Exit(_commands(address, token, as_json=as_json).print(id_))


@app.command(rich_help_panel=RUNNING)
def batch(
    file: BatchFile, *, request_id: RequestId = "", address: Address = None, token: Token = None, as_json: Json = False
) -> None:
    """Start all that a file asks for, and print the ids."""
    from fabula.cli.batch_calls import BatchCommands
    from fabula.cli.connection import Servers

    raise typer.Exit(BatchCommands(Servers(address, token), as_json=as_json).batch(file, request_id))


@app.command(rich_help_panel=CONTROL)
def cancel(id_: Id, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Cancel a generation; what is made stays."""
    raise typer.Exit(_commands(address, token, as_json=as_json).control("CancelGeneration", id_))


@app.command(rich_help_panel=CONTROL)
def pause(id_: Id, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Pause a generation; it survives restarts."""
    raise typer.Exit(_commands(address, token, as_json=as_json).control("PauseGeneration", id_))


@app.command(rich_help_panel=CONTROL)
def resume(id_: Id, address: Address = None, token: Token = None, as_json: Json = False) -> None:
    """Go on with a paused generation."""
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
    """Try a failed generation again; finished stages are kept."""
    raise typer.Exit(_commands(address, token, as_json=as_json).control("RetryGeneration", id_, from_stage=from_stage))


@app.command(rich_help_panel=CONTROL)
def delete(
    id_: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    address: Address = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Delete a generation and all it made."""
    raise typer.Exit(_commands(address, token, as_json=as_json).delete(id_, sure=yes))


@app.command(rich_help_panel=SYSTEM)
def health(
    address: system_with.HealthAddress,
    service: system_with.Service = "",
    timeout: system_with.Timeout = 3.0,
    tls_ca: system_with.TlsCa = None,
) -> None:
    """Ask a process whether it is well; for container health checks."""
    from fabula.cli.health import check

    sys.stdout.write(f"{check(address, service, timeout, tls_ca)}\n")


@app.command("token", rich_help_panel=SYSTEM)
def token_(owner: system_with.Owner = "developer", hours: system_with.Hours = 12.0) -> None:
    """Print a token for development, signed with FABULA_JWT_SECRET."""
    from fabula.cli.tokens import mint

    sys.stdout.write(f"{mint(owner, hours)}\n")


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
