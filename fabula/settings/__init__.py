"""What each process is told by its environment: typed, checked, read once at its start.

One frozen class per process (`processes`), put together from parts that several share (`parts`). Every field is set by
the environment variable of its name with the prefix `FABULA_`; command-line flags are handed to `load` and go first. An
empty variable counts as not set. `docs/settings.md` is written from these classes.

Nothing here knows what the values are used for, and no other module reads the environment.
"""

from fabula.settings.base import Settings
from fabula.settings.parts import ImageModelSettings, TextModelSettings, VisionModelSettings
from fabula.settings.processes import (
    CharacterServerSettings,
    CharacterSettings,
    CharacterWorkerSettings,
    ClientSettings,
    GatewaySettings,
    ImageServerSettings,
    ImageSettings,
    ImageWorkerSettings,
    ServerSettings,
    StorySettings,
    UpSettings,
    WorkerSettings,
)
from fabula.settings.reading import load, load_or_exit
from fabula.settings.security import AuthSettings, ServiceSettings, TlsSettings
from fabula.settings.values import PREFIX, is_loopback
from fabula.settings.webhooks import WebhookSettings

__all__ = [
    "PREFIX",
    "AuthSettings",
    "CharacterServerSettings",
    "CharacterSettings",
    "CharacterWorkerSettings",
    "ClientSettings",
    "GatewaySettings",
    "ImageModelSettings",
    "ImageServerSettings",
    "ImageSettings",
    "ImageWorkerSettings",
    "ServerSettings",
    "ServiceSettings",
    "Settings",
    "StorySettings",
    "TextModelSettings",
    "TlsSettings",
    "UpSettings",
    "VisionModelSettings",
    "WebhookSettings",
    "WorkerSettings",
    "is_loopback",
    "load",
    "load_or_exit",
]
