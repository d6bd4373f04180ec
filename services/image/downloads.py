"""DownloadPicture: a finished picture's bytes, or a part of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from fabula.api.image.v1 import image_pb2 as pb
from fabula.engine.events import Succeeded
from fabula.engine.ports import Address
from fabula.errors import Conflict, InvalidRequest
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import IMAGE
from fabula.rpc.stores import Call, Stores, address_of_own, fold, not_found
from services.image.codec import picture_to_message
from services.image.domain import Image, Picture
from services.image.results import image_so_far

CHUNK_BYTES = 64 * 1024
"""Most bytes of a picture in one response."""


async def download(stores: Stores, codec: ProtoCodec, call: Call, request: Any) -> AsyncGenerator[bytes, None]:
    """Yield what is downloaded, then its bytes.

    Raises:
        NotFound: there is no such generation of the caller's.
        Conflict: it has no pictures yet.
        InvalidRequest: it has no picture of this index, or not so many bytes.
    """
    address = address_of_own(IMAGE.name, call, request.generation_id)
    picture = _chosen(await _pictures(stores, codec, address), request.index)
    if request.offset > picture.blob.size_bytes:
        problem = f"offset must be at most {picture.blob.size_bytes}, the picture's size: it is {request.offset}"
        raise InvalidRequest(problem, (("offset", problem),))
    data = await stores.blobs.get(picture.blob.name)
    yield pb.DownloadPictureResponse(picture=picture_to_message(picture)).SerializeToString()
    end = min(len(data), request.offset + request.limit) if request.limit else len(data)
    for start in range(request.offset, end, CHUNK_BYTES):
        piece = data[start : min(start + CHUNK_BYTES, end)]
        yield pb.DownloadPictureResponse(data=piece).SerializeToString()


async def _pictures(stores: Stores, codec: ProtoCodec, address: Address) -> tuple[Picture, ...]:
    """Return the finished pictures. The last event of a success has them; else the log is folded."""
    last = await stores.log.last(address)
    if last is None:
        raise not_found(address.id)
    body = codec.decode(last.entries[-1]).body
    if isinstance(body, Succeeded) and isinstance(body.result, Image):
        return body.result.pictures
    folded = await fold(stores.log, codec, address)
    pictures = image_so_far(folded.snapshot).pictures
    if not pictures:
        state = folded.last.state
        problem = "none were made" if state.terminal else "watch it until they are finished"
        raise Conflict(f"there are no pictures to download: the generation is {state.value}; {problem}")
    return pictures


def _chosen(pictures: tuple[Picture, ...], index: int) -> Picture:
    if index >= len(pictures):
        problem = f"index must be less than {len(pictures)}, the number of pictures: it is {index}"
        raise InvalidRequest(problem, (("index", problem),))
    return pictures[index]
