"""The settings of each process, put together from parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from fabula.settings.base import Settings
from fabula.settings.parts import (
    CharacterBindSettings,
    CharacterClientSettings,
    CharacterWorkerOnlySettings,
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
from fabula.settings.security import TlsSettings
from fabula.settings.values import NatsUrl, home_of_data


class GeneratorNamesSettings(Settings):
    """Which generators there are in this installation."""

    generators: Annotated[tuple[str, ...], NoDecode] = ()
    """Generators of this installation, with commas between, e.g. `story`: the gateway has doors for these, `fabula up`
    runs these, and characters have avatars where `image` is one. Not set: all there are (`story,character,image`)."""

    @field_validator("generators", mode="before")
    @classmethod
    def _split(cls, text: object) -> object:
        return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text

    @field_validator("generators")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        addresses = [field for field in GeneratorsSettings.model_fields if field.endswith("_address")]
        known = [field.removesuffix("_address") for field in addresses]
        if set(names) - set(known):
            raise ValueError(f"should be some of {', '.join(known)}, with commas between")
        return names

    def has(self, kind: str) -> bool:
        """Say whether the generator of this name is part of the installation."""
        return not self.generators or kind in self.generators


class GeneratorsSettings(StoryClientSettings, CharacterClientSettings, ImageClientSettings, GeneratorNamesSettings):
    """Which generators there are in this installation, and where."""

    def address_of(self, kind: str) -> str:
        """Return where the generator of this name is found, `HOST:PORT`."""
        address: str = getattr(self, f"{kind}_address")
        return address


class ServerSettings(JournalSettings, StoryBindSettings, CharacterClientSettings):
    """Settings of a story server."""


class WorkerSettings(JournalSettings, StoryWorkerOnlySettings, CharacterClientSettings):
    """Settings of a story worker."""


class StorySettings(ServerSettings, WorkerSettings):
    """Settings of a story server and a worker in one process."""


class CharacterServerSettings(JournalSettings, CharacterBindSettings, ImageClientSettings, GeneratorNamesSettings):
    """Settings of a character server."""


class CharacterWorkerSettings(JournalSettings, CharacterWorkerOnlySettings, ImageClientSettings):
    """Settings of a character worker."""


class CharacterSettings(CharacterServerSettings, CharacterWorkerSettings):
    """Settings of a character server and a worker in one process."""


class ImageServerSettings(JournalSettings, ImageBindSettings):
    """Settings of an image server."""


class ImageWorkerSettings(JournalSettings, ImageWorkerOnlySettings):
    """Settings of an image worker."""


class ImageSettings(ImageServerSettings, ImageWorkerSettings):
    """Settings of an image server and a worker in one process."""


class GatewaySettings(HttpSettings, GeneratorsSettings):
    """Settings of the gateway."""


class UpSettings(
    ConnectedSettings,
    StoryWorkerOnlySettings,
    CharacterWorkerOnlySettings,
    ImageWorkerOnlySettings,
    StoryBindSettings,
    CharacterBindSettings,
    ImageBindSettings,
    HttpSettings,
    GeneratorsSettings,
):
    """Settings of `fabula up`: those of every process that it starts."""

    nats_url: Annotated[NatsUrl | None, Field(repr=False)] = None
    """Address of the NATS server. Not set: `fabula up` starts its own, for this machine only."""

    data_dir: Annotated[Path, AfterValidator(Path.expanduser), Field(default_factory=home_of_data)]
    """Folder for what the private NATS server stores. Not set: `$XDG_DATA_HOME/fabula`, else
    `~/.local/share/fabula`."""


class ClientSettings(GeneratorsSettings, TlsSettings):
    """Settings of the commands that talk to a running system."""

    token: SecretStr | None = None
    """Token that says who is calling, where the servers ask for one."""
