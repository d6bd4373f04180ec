"""Runs the image service: `python -m services.image [server|worker]`, and with no word both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fabula import logs
from fabula.engine.worker import WorkerSettings
from fabula.journal import Journal
from fabula.journal.settings import JournalSettings
from fabula.rpc.auth import Authenticator
from fabula.rpc.server import Listen
from fabula.runtime import Part, Stop, run, server, worker
from fabula.settings import ImageServerSettings, ImageSettings, ImageWorkerSettings, load_or_exit
from services.image.contract import ImageContract

USAGE = "usage: python -m services.image [server|worker]\nWith no word, server and worker run in one process.\n"


def main(arguments: list[str]) -> None:
    """Run what the arguments name."""
    match arguments:
        case ["server"]:
            settings = load_or_exit(ImageServerSettings)
            logs.configure(settings, "image-server")
            run(journal_settings(settings, "image-server"), image_server(settings))
        case ["worker"]:
            only_worker = load_or_exit(ImageWorkerSettings)
            logs.configure(only_worker, "image-worker")
            run(journal_settings(only_worker, "image-worker"), image_worker(only_worker))
        case []:
            both = load_or_exit(ImageSettings)
            logs.configure(both, "image")
            run(journal_settings(both, "image"), image_server(both), image_worker(both))
        case _:
            sys.stderr.write(USAGE)
            raise SystemExit(0 if arguments in (["-h"], ["--help"]) else 2)


def journal_settings(settings: ImageServerSettings | ImageWorkerSettings, name: str) -> JournalSettings:
    """Return how this process reaches the journal."""
    return JournalSettings(
        url=settings.nats_url, name=name, replicas=settings.nats_replicas, lease_seconds=settings.lease_seconds
    )


def image_server(settings: ImageServerSettings) -> Part:
    """Return the server's part."""
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    listen = Listen(settings.image_host, settings.image_port, settings.drain_seconds)
    return server(ImageContract(), listen, Authenticator(secret))


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

        health = None
        if settings.worker_port is not None:
            health = Listen(settings.worker_host, settings.worker_port, settings.drain_seconds)
        engine = WorkerSettings(settings.image_slots, settings.lease_seconds)
        await worker(ImageContract().codec, open_pipeline, engine, health)(journal, stop)

    return part


if __name__ == "__main__":
    main(sys.argv[1:])
