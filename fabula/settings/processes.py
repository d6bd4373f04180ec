"""The settings of each process, put together from parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from fabula.settings.parts import (
    ConnectedSettings,
    HttpSettings,
    ImageBindSettings,
    ImageClientSettings,
    ImageWorkerOnlySettings,
    JournalSettings,
    StoryBindSettings,
    StoryClientSettings,
    StoryWorkerOnlySettings,
)
from fabula.settings.values import NatsUrl, home_of_data


class ServerSettings(JournalSettings, StoryBindSettings):
    """Settings of a story server."""


class WorkerSettings(JournalSettings, StoryWorkerOnlySettings):
    """Settings of a story worker."""


class StorySettings(ServerSettings, WorkerSettings):
    """Settings of a story server and a worker in one process."""


class ImageServerSettings(JournalSettings, ImageBindSettings):
    """Settings of an image server."""


class ImageWorkerSettings(JournalSettings, ImageWorkerOnlySettings):
    """Settings of an image worker."""


class ImageSettings(ImageServerSettings, ImageWorkerSettings):
    """Settings of an image server and a worker in one process."""


class GatewaySettings(HttpSettings):
    """Settings of the gateway."""


class UpSettings(
    ConnectedSettings,
    StoryWorkerOnlySettings,
    ImageWorkerOnlySettings,
    StoryBindSettings,
    ImageBindSettings,
    HttpSettings,
):
    """Settings of `fabula up`: those of every process that it starts."""

    nats_url: Annotated[NatsUrl | None, Field(repr=False)] = None
    """Address of the NATS server. Not set: `fabula up` starts its own, for this machine only."""

    data_dir: Annotated[Path, AfterValidator(Path.expanduser), Field(default_factory=home_of_data)]
    """Folder for what the private NATS server stores. Not set: `$XDG_DATA_HOME/fabula`, else
    `~/.local/share/fabula`."""


class ClientSettings(StoryClientSettings, ImageClientSettings):
    """Settings of the commands that talk to a running system."""

    token: SecretStr | None = None
    """Token that says who is calling, where the servers ask for one."""
