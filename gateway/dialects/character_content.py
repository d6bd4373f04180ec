"""Characters as front ends read them: one flat object with names in camelCase. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format

from fabula.api.character.v1 import character_pb2 as pb
from gateway.dialects.times import iso

AddressOf = Callable[[str], str]
"""Tells where the picture of a generation of the image service can be fetched."""

AVATAR_STATUSES = {
    pb.AVATAR_STATE_UNSPECIFIED: "none",
    pb.AVATAR_STATE_PENDING: "pending",
    pb.AVATAR_STATE_READY: "ready",
    pb.AVATAR_STATE_FAILED: "failed",
}


def own_picture(generation_id: str) -> str:
    """Return where this gateway serves a picture, relative to its own host."""
    return f"/v1/images/{generation_id}"


def character_content(character: pb.Character, address_of: AddressOf = own_picture) -> dict[str, Any]:
    """Return a character, its history and what belongs to it; what there is not yet is null."""
    avatar = character.avatar
    return {
        "id": character.id,
        **details_content(character.details),
        "history": character.history,
        "avatarJobId": avatar.generation_id or None,
        "avatarStatus": AVATAR_STATUSES.get(avatar.state, "pending"),
        "avatarUrl": address_of(avatar.ready_generation_id) if avatar.ready_generation_id else None,
        "saved": character.saved,
        "maker": character.maker,
        "seed": character.seed,
        "createdAt": iso(character.create_time) if character.HasField("create_time") else None,
        "updatedAt": iso(character.update_time) if character.HasField("update_time") else None,
        "expiresAt": iso(character.expire_time) if character.HasField("expire_time") else None,
    }


def details_content(details: pb.Details) -> dict[str, Any]:
    """Return all that says who a character is."""
    content: dict[str, Any] = json_format.MessageToDict(details, always_print_fields_with_no_presence=True)
    return content
