"""What is special to pictures on the server's side: what a request must be, what the model can do, the downloads."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fabula.api.image.v1 import image_pb2 as pb
from fabula.engine.ports import Address, BlobInfo, own_blobs
from fabula.errors import InvalidRequest, Unavailable
from fabula.picture_intake import PictureIntake
from fabula.pictures import PNG_TYPE, CleanPicture
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import IMAGE, Kind
from fabula.rpc.stores import Call, Stores, StreamMethod, UnaryMethod
from services.image.bounds import settle
from services.image.card import KnownCard, card_to_message
from services.image.codec import ImageCodec
from services.image.domain import Order, SourceRef
from services.image.downloads import download
from services.image.orders import order_from_message, plain_line


class ImageContract:
    """Accepts pictures. Implements `fabula.rpc.service.Contract`."""

    def __init__(self) -> None:
        self._codec = ProtoCodec(IMAGE, ImageCodec())
        self._known: KnownCard | None = None
        self._intake = PictureIntake()

    @property
    def kind(self) -> Kind:
        """Pictures."""
        return IMAGE

    @property
    def codec(self) -> ProtoCodec:
        """Their events."""
        return self._codec

    async def accept(self, _call: Call, request: Any, address: Address, stores: Stores) -> Order:
        """Return the order in a request, settled as far as the model is known; its source goes to the blobs."""
        image: pb.ImageRequest = request.image
        seed = int(hashlib.sha256(address.id.encode()).hexdigest()[:8], 16)
        order = order_from_message(image, seed=seed)
        _check_prompt(order)
        picture = None
        if image.HasField("source"):
            picture = await self._intake.clean(image.source.data, "image.source.data")
            order = replace(order, source=_source(plain_line(image.source.name), picture, address))
        card = await self._card(stores).read()
        order = order if card is None else settle(order, card)
        if picture is not None and order.source is not None:  # kept only once all else is found good
            await stores.blobs.put(order.source.blob.name, picture.data, PNG_TYPE)
        return order

    def unary(self, stores: Stores) -> Mapping[str, UnaryMethod]:
        """Return GetModel."""
        return {"GetModel": partial(self._get_model, stores)}

    def streaming(self, stores: Stores) -> Mapping[str, StreamMethod]:
        """Return DownloadPicture."""
        return {"DownloadPicture": partial(self._download, stores)}

    async def _get_model(self, stores: Stores, _call: Call, _request: Any) -> pb.GetModelResponse:
        card = await self._card(stores).read()
        if card is None:
            raise Unavailable("no worker has loaded a model yet: ask again in a moment")
        return pb.GetModelResponse(model=card_to_message(card))

    def _download(self, stores: Stores, call: Call, request: Any) -> AsyncGenerator[bytes, None]:
        return download(stores, self._codec, call, request)

    def _card(self, stores: Stores) -> KnownCard:
        if self._known is None:
            self._known = KnownCard(stores.records)
        return self._known


def _source(label: str, picture: CleanPicture, address: Address) -> SourceRef:
    """Say where the source is going to be kept."""
    digest = hashlib.sha256(picture.data).hexdigest()
    # The digest in the name keeps a second request with the same id from replacing the first one's source.
    name = f"{own_blobs(address)}source-{digest[:16]}"
    return SourceRef(label, BlobInfo(name, len(picture.data), PNG_TYPE, digest), picture.width, picture.height)


def _check_prompt(order: Order) -> None:
    """Refuse a prompt of which nothing is left without white space, in whatever sense of the word."""
    if not any(character.isprintable() and not character.isspace() for character in order.prompt):
        problem = "the prompt says nothing: say what the picture shows"
        raise InvalidRequest(problem, (("image.prompt", problem),))
