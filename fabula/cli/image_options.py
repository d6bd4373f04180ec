"""The options of `fabula image`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(help_: str, *names: str, **more: Any) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(*names, help=help_, show_default=False, **more)
    return found


Prompt = Annotated[str, typer.Argument(help="What it shows, in your words.", show_default=False)]
Negative = Annotated[str | None, _option("What it must not show.", "--negative")]
Width = Annotated[int | None, _option("Width in pixels.", min=1)]
Height = Annotated[int | None, _option("Height in pixels.", min=1)]
Steps = Annotated[int | None, _option("Denoising steps: more take longer.", min=1)]
Guidance = Annotated[float | None, _option("How closely the prompt is followed.", min=0)]
Count = Annotated[int | None, _option("How many pictures, up to 8.", "--count", "-n", min=1)]
Scheduler = Annotated[str | None, _option("One of those that `fabula models` lists.", metavar="NAME")]
Refine = Annotated[bool | None, _option("Whether the refiner takes over in the end.", "--refine/--no-refine")]
Handover = Annotated[float | None, _option("Part of the steps before the refiner takes over.", min=0, max=1)]
HighQuality = Annotated[bool, _option("More steps, and the refiner where there is one.", "--high-quality")]
Source = Annotated[
    Path | None, _option("Picture to start from, up to 10 MiB; - is standard input.", "--from", metavar="FILE")
]
Strength = Annotated[float | None, _option("How far it may leave the source, from 0 to 1.", min=0, max=1)]
Format = Annotated[str | None, _option("png, webp or jpeg; else by the suffix of -o.", "--format", metavar="FORMAT")]
PreviewSteps = Annotated[int | None, _option("Steps from one preview to the next; 0: none.", "--preview-steps", min=0)]
Quiet = Annotated[bool, _option("Tell nothing but where it is saved.", "--quiet", "-q")]
