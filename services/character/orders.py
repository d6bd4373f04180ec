"""Orders as protobuf: requests as they come, and as the log keeps them."""

from __future__ import annotations

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2
from fabula.engine.ports import BlobInfo
from services.character.domain import Wish
from services.character.sheet import Order, PictureRef
from services.character.texts import plain, plain_line

DEFAULT_LANGUAGE = Wish().language
"""In which a character is written where the request says nothing."""


def order_to_message(order: Order) -> pb.CharacterRequest:
    """Return an order as the request that the log shows: defaults filled in, the picture a reference."""
    wish = order.wish
    return pb.CharacterRequest(
        description=wish.description,
        picture=None if order.picture is None else _picture_to_message(order.picture),
        style=wish.style,
        language=wish.language,
        seed=wish.seed,
        generate_avatar=order.generate_avatar,
    )


def order_from_message(message: pb.CharacterRequest, *, seed: int) -> Order:
    """Return the order in a request, with the defaults that the contract promises.

    Args:
        message: A request that was validated, or one of the log; its picture, if any, is one that is stored.
        seed: Used if the request names none.
    """
    wish = Wish(
        description=plain(message.description),
        style=plain_line(message.style),
        language=message.language or DEFAULT_LANGUAGE,
        seed=message.seed if message.HasField("seed") else seed,
    )
    return Order(
        wish,
        picture=_picture_from_message(message.picture) if message.picture.HasField("stored") else None,
        generate_avatar=message.generate_avatar if message.HasField("generate_avatar") else True,
    )


def _picture_to_message(picture: PictureRef) -> pb.Source:
    blob = picture.blob
    stored = generation_pb2.Blob(
        name=blob.name, size_bytes=blob.size_bytes, media_type=blob.media_type, sha256=blob.sha256
    )
    return pb.Source(name=picture.label, stored=stored, width=picture.width, height=picture.height)


def _picture_from_message(message: pb.Source) -> PictureRef:
    stored = message.stored
    blob = BlobInfo(stored.name, stored.size_bytes, stored.media_type, stored.sha256)
    return PictureRef(message.name, blob, message.width, message.height)
