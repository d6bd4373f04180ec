"""The options of `fabula up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _option(help_: str, *names: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(*names, help=help_, show_default=False)
    return found


DataDir = Annotated[Path | None, _option("Folder for everything that is kept. [env: FABULA_DATA_DIR]")]
HttpPort = Annotated[int | None, _option("Port of the web page. [env: FABULA_HTTP_PORT; default: 8080]")]
StoryPort = Annotated[int | None, _option("Port of the story service. [env: FABULA_STORY_PORT; default: 50051]")]
CharacterPort = Annotated[
    int | None, _option("Port of the character service. [env: FABULA_CHARACTER_PORT; default: 50052]")
]
ImagePort = Annotated[int | None, _option("Port of the image service. [env: FABULA_IMAGE_PORT; default: 50053]")]
NatsUrl = Annotated[str | None, _option("Use this NATS server, and start none. [env: FABULA_NATS_URL]")]
TextModel = Annotated[str | None, _option("Who writes; without it, the bundled author. [env: FABULA_TEXT_MODEL]")]
VisionModel = Annotated[
    str | None, _option("Who looks at pictures; without it, the bundled looker. [env: FABULA_VISION_MODEL]")
]
ImageModel = Annotated[str | None, _option("Who paints; without it, the bundled painter. [env: FABULA_IMAGE_MODEL]")]
Device = Annotated[str | None, _option("Where a model runs. [env: FABULA_DEVICE; default: auto]")]
Generators = Annotated[
    str | None,
    _option("Run only these: story, character, image, with commas between. [env: FABULA_GENERATORS; default: all]"),
]
Verbose = Annotated[bool, _option("Show the whole log.", "--verbose", "-v")]
