"""Orders as protobuf: requests as they come, and as the log keeps them."""

from __future__ import annotations

from unicodedata import category

from fabula.api.generation.v1 import generation_pb2
from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.image import PictureFormat
from fabula.engine.ports import BlobInfo
from services.image.domain import DEFAULT_PREVIEW_INTERVAL, DEFAULT_STRENGTH, Order, SourceRef

_FORMATS = {
    PictureFormat.PNG: pb.FORMAT_PNG,
    PictureFormat.WEBP: pb.FORMAT_WEBP,
    PictureFormat.JPEG: pb.FORMAT_JPEG,
}
_FORMATS_BACK = {number: form for form, number in _FORMATS.items()} | {pb.FORMAT_UNSPECIFIED: PictureFormat.PNG}


def order_to_message(order: Order) -> pb.ImageRequest:
    """Return an order as the request that the log shows; what is still open stays absent."""
    return pb.ImageRequest(
        prompt=order.prompt,
        negative_prompt=order.negative_prompt,
        width=order.width,
        height=order.height,
        steps=order.steps,
        guidance=order.guidance,
        seed=order.seed,
        count=order.count,
        scheduler=order.scheduler,
        use_refinement=order.use_refinement,
        handover=order.handover,
        high_quality=order.high_quality,
        source=None if order.source is None else _source_to_message(order.source),
        strength=None if order.source is None else order.strength,
        format=_FORMATS[order.format],
        preview_interval=order.preview_interval,
    )


def order_from_message(message: pb.ImageRequest, *, seed: int) -> Order:
    """Return the order in a request, with the defaults that need no model.

    Args:
        message: A request that was validated, or one of the log; its source, if any, is one that is stored.
        seed: Used if the request names none.
    """
    return Order(
        prompt=_plain(message.prompt),
        negative_prompt=_plain(message.negative_prompt),
        width=message.width if message.HasField("width") else None,
        height=message.height if message.HasField("height") else None,
        steps=message.steps if message.HasField("steps") else None,
        guidance=message.guidance if message.HasField("guidance") else None,
        seed=message.seed if message.HasField("seed") else seed,
        count=message.count if message.HasField("count") else 1,
        scheduler=message.scheduler,
        use_refinement=message.use_refinement if message.HasField("use_refinement") else None,
        handover=message.handover if message.HasField("handover") else None,
        high_quality=message.high_quality,
        source=_source_from_message(message.source) if message.source.HasField("stored") else None,
        strength=message.strength if message.HasField("strength") else DEFAULT_STRENGTH,
        format=_FORMATS_BACK[message.format],
        preview_interval=message.preview_interval if message.HasField("preview_interval") else DEFAULT_PREVIEW_INTERVAL,
    )


def _plain(text: str) -> str:
    """Return a text without control characters: it comes back in lists, and on people's terminals."""
    return "".join(one for one in text if one in "\n\t" or category(one) != "Cc").strip()


def plain_line(text: str) -> str:
    """Return a label as one line without control characters."""
    return " ".join(_plain(text).split())


def _source_to_message(source: SourceRef) -> pb.Source:
    blob = source.blob
    stored = generation_pb2.Blob(
        name=blob.name, size_bytes=blob.size_bytes, media_type=blob.media_type, sha256=blob.sha256
    )
    return pb.Source(name=source.label, stored=stored, width=source.width, height=source.height)


def _source_from_message(message: pb.Source) -> SourceRef:
    stored = message.stored
    blob = BlobInfo(stored.name, stored.size_bytes, stored.media_type, stored.sha256)
    return SourceRef(message.name, blob, message.width, message.height)
