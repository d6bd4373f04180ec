"""What is special to characters on the server's side: what a request must be, and the library."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fabula.api.character.v1 import character_pb2 as pb
from fabula.engine.ports import Address, BlobInfo, own_blobs
from fabula.errors import Conflict, InvalidRequest
from fabula.picture_intake import PictureIntake
from fabula.pictures import PNG_TYPE, CleanPicture
from fabula.rpc.client import Client
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import CHARACTER, Kind
from fabula.rpc.stores import Call, Stores, StreamMethod, UnaryMethod
from services.character.codec import CharacterCodec
from services.character.library import Library
from services.character.orders import order_from_message
from services.character.sheet import Order, PictureRef
from services.character.texts import plain_line, says_something
from services.character.watching import CharacterWatch

_NO_PICTURES = "there is no image service in this installation (FABULA_GENERATORS)"


class CharacterContract:
    """Accepts characters. Implements `fabula.rpc.service.Contract` and `Relaying`.

    Args:
        images: To the image service; None: avatars cannot be watched from here.
        paints: Whether the installation has an image service. Where it has none, a request that does not say whether it
            wants an avatar gets none, and one that wants one is refused: it would wait for ever.
    """

    def __init__(self, images: Client | None = None, *, paints: bool = True) -> None:
        self._images = images
        self._paints = paints
        self._codec = ProtoCodec(CHARACTER, CharacterCodec())
        self._intake = PictureIntake()

    @property
    def kind(self) -> Kind:
        """Characters."""
        return CHARACTER

    @property
    def codec(self) -> ProtoCodec:
        """Their events."""
        return self._codec

    async def accept(self, _call: Call, request: Any, address: Address, stores: Stores) -> Order:
        """Return the order in a request; its picture goes to the blobs."""
        character: pb.CharacterRequest = request.character
        seed = int(hashlib.sha256(address.id.encode()).hexdigest()[:8], 16)
        order = self._honest(order_from_message(character, seed=seed), character)
        if not character.HasField("picture"):
            _check_description(order)
            return order
        picture = await self._intake.clean(character.picture.data, "character.picture.data")
        kept = _picture(plain_line(character.picture.name), picture, address)
        await stores.blobs.put(kept.blob.name, picture.data, PNG_TYPE)
        return replace(order, picture=kept)

    def unary(self, stores: Stores) -> Mapping[str, UnaryMethod]:
        """Return the rpcs of the library."""
        library = Library(stores, self._codec)
        return {
            "GetCharacter": library.get,
            "ListCharacters": library.list,
            "UpdateCharacter": library.update,
            "SaveCharacter": library.save,
            "DiscardCharacter": library.discard,
            "RegenerateAvatar": library.regenerate_avatar if self._paints else _paint_nothing,
        }

    def streaming(self, _stores: Stores) -> Mapping[str, StreamMethod]:
        """Return nothing: all others pass on what the common ones tell."""
        return {}

    def relaying(self, stores: Stores, watch: StreamMethod) -> Mapping[str, StreamMethod]:
        """Return WatchCharacter."""
        if self._images is None:
            return {}
        return {"WatchCharacter": CharacterWatch(stores, watch, self._images).watch}

    def _honest(self, order: Order, character: pb.CharacterRequest) -> Order:
        """Return the order without an avatar that nobody would paint; refuse it where one is asked for by name."""
        if self._paints:
            return order
        if character.generate_avatar:
            problem = f"{_NO_PICTURES}: leave it out, or say false"
            raise InvalidRequest(problem, (("character.generate_avatar", problem),))
        return replace(order, generate_avatar=False)


async def _paint_nothing(_call: Call, _request: Any) -> pb.RegenerateAvatarResponse:
    raise Conflict(f"{_NO_PICTURES}: this character cannot be painted here")


def _picture(label: str, picture: CleanPicture, address: Address) -> PictureRef:
    """Say where the picture is going to be kept."""
    digest = hashlib.sha256(picture.data).hexdigest()
    # The digest in the name keeps a second request with the same id from replacing the first one's picture.
    name = f"{own_blobs(address)}picture-{digest[:16]}"
    return PictureRef(label, BlobInfo(name, len(picture.data), PNG_TYPE, digest), picture.width, picture.height)


def _check_description(order: Order) -> None:
    if not says_something(order.wish.description):
        problem = "the description says nothing: say who it is, or give a picture"
        raise InvalidRequest(problem, (("character.description", problem),))
