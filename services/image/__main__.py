"""Runs the image service: `python -m services.image [server|worker]`, and with no word both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fabula.engine.worker import WorkerSettings as EngineWorkerSettings
from fabula.journal import Journal
from fabula.program import Program, Role, health_of
from fabula.rpc.server import Listen
from fabula.rpc.tls import tls_of
from fabula.rpc.trust import authenticator_of, issuer_of
from fabula.runtime import Part, Stop, server, worker
from fabula.settings import ImageServerSettings, ImageSettings, ImageWorkerSettings
from fabula.webhooks.addresses import rules_of
from services.image.contract import ImageContract


def image_server(settings: ImageServerSettings) -> Part:
    """Return the server's part."""
    listen = Listen(settings.image_host, settings.image_port, settings.drain_seconds, tls_of(settings))
    auth, issuer = authenticator_of(settings), issuer_of(settings)
    rules, owner_queued = rules_of(settings), settings.owner_queued
    return server(ImageContract(), listen, auth, issuer, rules=rules, owner_queued=owner_queued)


def image_worker(settings: ImageWorkerSettings) -> Part:
    """Return the worker's part."""
    # Not before a worker is wanted: a server starts in under a second and needs no model.
    from services.image.card import publish  # noqa: PLC0415
    from services.image.painters import open_painter  # noqa: PLC0415
    from services.image.pipeline import ImagePipeline  # noqa: PLC0415

    async def part(journal: Journal, stop: Stop) -> None:
        @asynccontextmanager
        async def open_pipeline() -> AsyncIterator[ImagePipeline]:
            async with open_painter(settings, partial(publish, journal.records)) as painter:
                yield ImagePipeline(painter, settings.image_checkpoint_steps)

        engine = EngineWorkerSettings(settings.image_slots, settings.lease_seconds)
        await worker(ImageContract().codec, open_pipeline, engine, health_of(settings), rules_of(settings))(
            journal, stop
        )

    return part


PROGRAM = Program(
    "image",
    server=Role(ImageServerSettings, [image_server]),
    worker=Role(ImageWorkerSettings, [image_worker]),
    both=Role(ImageSettings, [image_server, image_worker]),
)

if __name__ == "__main__":
    PROGRAM.main(sys.argv[1:])
