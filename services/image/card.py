"""What the loaded model can do, as workers publish it and servers read it.

The record outlives the worker: a server goes on checking requests while no worker is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict

import structlog

from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.image import ImageCard, SchedulerCard
from fabula.engine.ports import Records
from services.image.codec import environment_to_message
from services.image.domain import Environment

KEY = "image.model"
"""The record under which the card lies."""

FRESH_SECONDS = 1.0
"""How long a server goes by the card that it has read."""

_log = structlog.get_logger(__name__)


def to_json(card: ImageCard) -> bytes:
    """Return the card as a record keeps it."""
    return json.dumps(asdict(card)).encode()


def from_json(data: bytes) -> ImageCard | None:
    """Return the card in a record; None for one of another version of Fabula."""
    try:
        fields = json.loads(data)
        schedulers = tuple(SchedulerCard(**one) for one in fields.pop("schedulers"))
        return ImageCard(schedulers=schedulers, **fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        _log.warning("model_card_unknown")
        return None


async def publish(records: Records, card: ImageCard) -> None:
    """Tell all servers what the model can do."""
    await records.put(KEY, to_json(card))


class KnownCard:
    """The card of the model that a worker has loaded last, as a server knows it.

    Args:
        records: Where it is published.
        clock: Seconds that only go forward.
    """

    def __init__(self, records: Records, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._clock = clock
        self._card: ImageCard | None = None
        self._read_at = -FRESH_SECONDS

    async def read(self) -> ImageCard | None:
        """Return the card; None where no worker has ever loaded a model. Raises `Unavailable`."""
        if self._card is None or self._clock() - self._read_at >= FRESH_SECONDS:
            stored = await self._records.get(KEY)
            self._card = None if stored is None else from_json(stored.value)
            self._read_at = self._clock()
        return self._card


def environment_of(card: ImageCard) -> Environment:
    """Return what beside an order decides the bits of a picture."""
    return Environment(card.device, card.dtype, card.threads, card.libraries, card.fingerprint)


def card_to_message(card: ImageCard) -> pb.Model:
    """Return the card as callers see it."""
    same = {name: value for name, value in asdict(card).items() if name in pb.Model.DESCRIPTOR.fields_by_name}
    same["schedulers"] = [pb.Scheduler(name=one.name, resumes=one.resumes) for one in card.schedulers]
    return pb.Model(**same, environment=environment_to_message(environment_of(card)))
