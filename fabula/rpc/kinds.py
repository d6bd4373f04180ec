"""The generators there are, as their contracts name them: what clients, servers and the gateway share.

A new generator adds one line here; everything else about it stands in its own folder under `services/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from google.protobuf.message import Message

from fabula.api.character.v1 import character_pb2
from fabula.api.image.v1 import image_pb2
from fabula.api.story.v1 import story_pb2


@dataclass(frozen=True, slots=True)
class Kind:
    """One generator's contract.

    Attributes:
        name: As in ids and addresses, e.g. "story".
        api: The generated module of its messages.
        service: Full name of its service.
        port: Port its server listens on unless told otherwise.
        has_previews: Whether its generations show previews: listening for them costs memory for each log watched.
    """

    name: str
    api: ModuleType
    service: str
    port: int
    has_previews: bool = False

    def message(self, name: str) -> type[Message]:
        """Return the message class of this name, e.g. "WatchProgressRequest"."""
        found: type[Message] = getattr(self.api, name)
        return found

    def request(self, rpc: str) -> type[Message]:
        """Return the request class of an rpc."""
        return self.message(f"{rpc}Request")

    def response(self, rpc: str) -> type[Message]:
        """Return the response class of an rpc."""
        return self.message(f"{rpc}Response")

    def path(self, rpc: str) -> str:
        """Return the rpc's HTTP/2 path."""
        return f"/{self.service}/{rpc}"


STORY = Kind("story", story_pb2, "fabula.api.story.v1.StoryService", 50051)

CHARACTER = Kind("character", character_pb2, "fabula.api.character.v1.CharacterService", 50052)

IMAGE = Kind("image", image_pb2, "fabula.api.image.v1.ImageService", 50053, has_previews=True)

KINDS: dict[str, Kind] = {kind.name: kind for kind in (STORY, CHARACTER, IMAGE)}
"""All generators, by name."""


def kind_of(generation_id: str) -> Kind | None:
    """Return the generator that an id belongs to; None for what is no id of ours."""
    return KINDS.get(generation_id.partition("-")[0])
