"""Pictures as protobuf: what is special to this service in the common events. Implements `OutputCodec`."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from fabula.api.generation.v1 import generation_pb2
from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.image import Batch, EncodedPrompt
from fabula.engine.history import Snapshot
from fabula.engine.ports import BlobInfo
from fabula.errors import LogCorrupted
from services.image.domain import (
    Denoised,
    Encoded,
    Environment,
    Image,
    Order,
    Picture,
    Pictures,
    Timing,
)
from services.image.orders import order_from_message, order_to_message
from services.image.results import image_so_far

TITLE_CHARACTERS = 80


class ImageCodec:
    """Translates orders, read prompts, latents, pictures and results."""

    def to_message(self, value: object) -> Message | None:
        """Return the message of a value; None of None."""
        match value:
            case None:
                return None
            case Order():
                return order_to_message(value)
            case Encoded():
                return _encoded_to_message(value)
            case Denoised():
                return _denoised_to_message(value)
            case Pictures():
                return pb.Pictures(pictures=[picture_to_message(one) for one in value.pictures])
            case Image():
                return _image_to_message(value)
            case _:
                raise TypeError(f"an image has no output of type {type(value).__name__}")

    def from_message(self, message: Any) -> object:
        """Return the value of a message."""
        match message:
            case pb.ImageRequest():
                return order_from_message(message, seed=message.seed)
            case pb.EncodedPrompt():
                return _encoded_from_message(message)
            case pb.Denoised():
                return _denoised_from_message(message)
            case pb.Pictures():
                return Pictures(tuple(_picture_from_message(one) for one in message.pictures))
            case pb.Image():
                return _image_from_message(message)
            case _:
                raise LogCorrupted(f"an image's log has an output of type {type(message).__name__}")

    def so_far(self, snapshot: Snapshot) -> Message:
        """Return the result as far as there is one."""
        return _image_to_message(image_so_far(snapshot))

    def title(self, request: object) -> str:
        """Return the beginning of the prompt."""
        if not isinstance(request, Order):
            return ""
        line = " ".join(request.prompt.split())
        return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1].rstrip()}…"


def blob_to_message(blob: BlobInfo) -> generation_pb2.Blob:
    """Return where bytes are kept, as a message."""
    return generation_pb2.Blob(
        name=blob.name, size_bytes=blob.size_bytes, media_type=blob.media_type, sha256=blob.sha256
    )


def _blob_from_message(message: generation_pb2.Blob) -> BlobInfo:
    return BlobInfo(message.name, message.size_bytes, message.media_type, message.sha256)


def _encoded_to_message(encoded: Encoded) -> pb.EncodedPrompt:
    prompt = encoded.prompt
    return pb.EncodedPrompt(
        tokens=prompt.tokens, limit=prompt.limit, dropped=prompt.dropped, image=order_to_message(encoded.order)
    )


def _encoded_from_message(message: pb.EncodedPrompt) -> Encoded:
    order = order_from_message(message.image, seed=message.image.seed)
    return Encoded(order, EncodedPrompt(message.tokens, message.limit, message.dropped))


def _denoised_to_message(denoised: Denoised) -> pb.Denoised:
    return pb.Denoised(
        model=denoised.model,
        steps=denoised.steps,
        batch=_batch_to_message(denoised.batch),
        latents=blob_to_message(denoised.latents),
        environment=environment_to_message(denoised.environment),
    )


def _denoised_from_message(message: pb.Denoised) -> Denoised:
    return Denoised(
        model=message.model,
        steps=message.steps,
        batch=_batch_from_message(message.batch),
        latents=_blob_from_message(message.latents),
        environment=_environment_from_message(message.environment),
    )


def _batch_to_message(batch: Batch | None) -> pb.Batch | None:
    return None if batch is None else pb.Batch(size=batch.size, slot=batch.slot)


def _batch_from_message(message: pb.Batch) -> Batch:
    return Batch(message.size, message.slot)


def environment_to_message(environment: Environment) -> pb.Environment:
    """Return on what is painted, as a message."""
    return pb.Environment(
        device=environment.device,
        dtype=environment.dtype,
        threads=environment.threads,
        libraries=environment.libraries,
        fingerprint=environment.fingerprint,
    )


def _environment_from_message(message: pb.Environment) -> Environment:
    return Environment(message.device, message.dtype, message.threads, message.libraries, message.fingerprint)


def picture_to_message(picture: Picture) -> pb.Picture:
    """Return a finished picture as a message."""
    return pb.Picture(
        index=picture.index,
        seed=picture.seed,
        width=picture.width,
        height=picture.height,
        blob=blob_to_message(picture.blob),
    )


def _picture_from_message(message: pb.Picture) -> Picture:
    return Picture(message.index, message.seed, message.width, message.height, _blob_from_message(message.blob))


def _image_to_message(image: Image) -> pb.Image:
    known = image.environment != Environment()
    return pb.Image(
        pictures=[picture_to_message(picture) for picture in image.pictures],
        seed=image.seed,
        model=image.model,
        refiner=image.refiner,
        base_steps=image.base_steps,
        refiner_steps=image.refiner_steps,
        scheduler=image.scheduler,
        guidance=image.guidance,
        base_batch=_batch_to_message(image.base_batch),
        refiner_batch=_batch_to_message(image.refiner_batch),
        environment=environment_to_message(image.environment) if known else None,
        timings=[_timing(timing) for timing in image.timings],
    )


def _image_from_message(message: pb.Image) -> Image:
    return Image(
        pictures=tuple(_picture_from_message(picture) for picture in message.pictures),
        seed=message.seed,
        model=message.model,
        refiner=message.refiner,
        base_steps=message.base_steps,
        refiner_steps=message.refiner_steps,
        scheduler=message.scheduler,
        guidance=message.guidance,
        base_batch=_batch_from_message(message.base_batch) if message.HasField("base_batch") else None,
        refiner_batch=_batch_from_message(message.refiner_batch) if message.HasField("refiner_batch") else None,
        environment=_environment_from_message(message.environment),
        timings=tuple(Timing(one.stage, one.elapsed.ToMicroseconds() / 1e6) for one in message.timings),
    )


def _timing(timing: Timing) -> pb.StageTiming:
    message = pb.StageTiming(stage=timing.stage)
    message.elapsed.FromMicroseconds(round(timing.seconds * 1e6))
    return message
