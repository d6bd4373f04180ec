"""What the contracts offer, found by looking: a service that is added is in these lists at once."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import message_factory

import fabula
from fabula.rpc.kinds import KINDS
from fabula.rpc.tickets import TICKETS
from fabula.webhooks.contract import WEBHOOKS


@dataclass(frozen=True, slots=True)
class Rpc:
    """One rpc of one service.

    Attributes:
        kind: Name of the service's kind, e.g. "story" or "ticket".
        method: Its descriptor.
    """

    kind: str
    method: Any

    @property
    def path(self) -> str:
        """Its HTTP/2 path."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def request(self) -> Any:
        """The class of its request."""
        return message_factory.GetMessageClass(self.method.input_type)

    @property
    def streams(self) -> bool:
        """Whether its answer is a stream."""
        return bool(self.method.server_streaming)

    def __str__(self) -> str:
        return f"{self.kind}.{self.method.name}"


def _files() -> Iterator[Any]:
    root = Path(fabula.__file__).parents[1]
    for found in sorted(root.glob("fabula/api/**/*_pb2.py")):
        name = ".".join(found.relative_to(root).with_suffix("").parts)
        yield importlib.import_module(name).DESCRIPTOR


@cache
def rpcs() -> list[Rpc]:
    """Return every rpc of every service in the package of the contracts."""
    return [
        Rpc(file.package.split(".")[2], method)
        for file in _files()
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def known_kinds() -> Mapping[str, Any]:
    """Return every kind that the code names, by name: generators, tickets and webhooks."""
    return {**KINDS, TICKETS.name: TICKETS, WEBHOOKS.name: WEBHOOKS}


@cache
def requests() -> list[Any]:
    """Return the classes of all messages that clients send."""
    frames = [each for file in _files() for each in file.message_types_by_name.values() if each.name == "ClientFrame"]
    batches = [each for file in _files() for each in file.message_types_by_name.values() if "Batch" in each.name]
    return [*(rpc.request for rpc in rpcs()), *map(message_factory.GetMessageClass, [*frames, *batches])]
