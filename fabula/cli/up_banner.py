"""What a person wants to know when `fabula up` is ready. Pure."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from fabula.cli.up_status import UpStatus
from fabula.rpc.kinds import KINDS
from fabula.settings import UpSettings

_EXAMPLES = {
    "story": "A keeper finds a door in the sea",
    "character": "A brave knight of forty, afraid of geese",
    "image": "A castle by the sea at dusk",
}
_MAKERS = {
    "story": ("author", "text_model", "the bundled story grammar: no language model, no download, no key"),
    "character": ("reader", "vision_model", "the bundled looker: it measures pictures, and sees no meaning"),
    "image": ("painter", "image_model", "the bundled painter: a small model of its own, no download, no key"),
}
"""What makes a generator's results: how it is called, the setting that names it, and what it is without one."""


def banner(settings: UpSettings, status: UpStatus, pending: Sequence[str] = ()) -> Text:
    """Return the text.

    Args:
        settings: How the system runs.
        status: What runs.
        pending: Processes that are not ready yet.
    """
    text = Text.assemble("\n", ("Fabula is ready: ", "bold"), (status.url, "bold underline"), "\n\n")
    for name, value in _rows(settings, status, pending):
        text.append(f"  {name:<18}", "dim").append(f"{value}\n")
    text.append("\nOpen the page, or:", "dim")
    for kind, address in status.addresses.items():
        if example := _EXAMPLES.get(kind):
            elsewhere = "" if address.endswith(f":{KINDS[kind].port}") else f"--address {address} "
            text.append(f'\n  {own_name()} {kind} {elsewhere}"{example}"')
    return text.append("\n\nCtrl-C stops everything.\n", "dim")


def _rows(settings: UpSettings, status: UpStatus, pending: Sequence[str]) -> Iterator[tuple[str, str]]:
    for kind, address in status.addresses.items():
        yield f"{kind} service", f"{address} (gRPC)"
    for kind in status.addresses:
        if kind in _MAKERS:
            name, setting, bundled = _MAKERS[kind]
            later = "; still loading" if f"{kind}-worker" in pending else ""
            yield name, f"{getattr(settings, setting) or bundled}{later}"
    if "character" in status.addresses and "image" not in status.addresses:
        yield "avatars", "none: no pictures are painted here"
    journal = f"a private nats-server at {status.nats_url}" if status.nats_url else "the NATS server of FABULA_NATS_URL"
    yield "journal", journal
    yield "data", str(settings.data_dir) if status.nats_url else "in that NATS server"


def own_name() -> str:
    """Return how this command is called here: by its path where the shell would not find it."""
    if shutil.which("fabula"):
        return "fabula"
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "fabula" else f"{sys.executable} -m fabula.cli"
