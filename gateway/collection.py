"""What varies from generator to generator at the doors, read from its contract: a new one needs no line here. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from buf.validate import validate_pb2
from fabula.rpc.kinds import Kind
from gateway.bodies import MOST_BODY_BYTES

_FILE = {"name", "data"}
"""What a message has that an uploaded file becomes."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Where generations of a kind are started and listed.

    Attributes:
        kind: Which generator.
        name: As it stands in addresses, e.g. "stories".
        noun: One of them, as it stands in the names of operations, e.g. "Story".
        field: Field of `StartGenerationRequest` that the body of a request stands for.
        file_field: Field of that message that an uploaded file goes to; empty if it takes none.
        most_body_bytes: Largest body of a request that starts one.
    """

    kind: Kind
    name: str
    noun: str
    field: str
    file_field: str
    most_body_bytes: int

    @property
    def path(self) -> str:
        """Its address."""
        return f"/v1/{self.name}"

    @property
    def body(self) -> type[Message]:
        """The message that the body of a request stands for."""
        start: Any = self.kind.request("StartGeneration")()
        return type(getattr(start, self.field))

    def has(self, rpc: str) -> bool:
        """Say whether the generator's service has this rpc."""
        service = self.kind.api.DESCRIPTOR.services_by_name[self.kind.service.rpartition(".")[2]]
        return rpc in service.methods_by_name


def collection_of(kind: Kind) -> Collection:
    """Return the collection of a generator, as its contract has it."""
    start = kind.request("StartGeneration").DESCRIPTOR
    asked: Any = next(field for field in start.fields if field.message_type is not None)
    source = next((field for field in asked.message_type.fields if _takes_file(field)), None)
    return Collection(
        kind=kind,
        name=f"{kind.name[:-1]}ies" if kind.name.endswith("y") else f"{kind.name}s",
        noun=kind.name.capitalize(),
        field=asked.name,
        file_field=source.name if source is not None else "",
        most_body_bytes=_most_body_bytes(source),
    )


def _takes_file(field: Any) -> bool:
    return field.message_type is not None and set(field.message_type.fields_by_name) >= _FILE


def _most_body_bytes(source: Any) -> int:
    """Return room for the largest file that the contract allows, in base64 (4/3 of it), and for what is said of it."""
    if source is None:
        return MOST_BODY_BYTES
    data = source.message_type.fields_by_name["data"]
    largest: int = data.GetOptions().Extensions[validate_pb2.field].bytes.max_len
    return max(MOST_BODY_BYTES, largest * 3 // 2 + MOST_BODY_BYTES // 4)
