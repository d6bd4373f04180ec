"""Runs the story service: `python -m services.story [server|worker]`, and with no word both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fabula import logs
from fabula.engine.worker import WorkerSettings as EngineWorkerSettings
from fabula.journal.settings import JournalSettings
from fabula.rpc.auth import Authenticator
from fabula.rpc.server import Listen
from fabula.runtime import Part, run, server, worker
from fabula.settings import ServerSettings, StorySettings, WorkerSettings, load_or_exit
from services.story.contract import StoryContract

USAGE = "usage: python -m services.story [server|worker]\nWith no word, server and worker run in one process.\n"


def main(arguments: list[str]) -> None:
    """Run what the arguments name."""
    match arguments:
        case ["server"]:
            settings = load_or_exit(ServerSettings)
            logs.configure(settings, "story-server")
            run(journal_settings(settings, "story-server"), story_server(settings))
        case ["worker"]:
            only_worker = load_or_exit(WorkerSettings)
            logs.configure(only_worker, "story-worker")
            run(journal_settings(only_worker, "story-worker"), story_worker(only_worker))
        case []:
            both = load_or_exit(StorySettings)
            logs.configure(both, "story")
            run(journal_settings(both, "story"), story_server(both), story_worker(both))
        case _:
            sys.stderr.write(USAGE)
            raise SystemExit(0 if arguments in (["-h"], ["--help"]) else 2)


def journal_settings(settings: ServerSettings | WorkerSettings, name: str) -> JournalSettings:
    """Return how this process reaches the journal."""
    return JournalSettings(
        url=settings.nats_url, name=name, replicas=settings.nats_replicas, lease_seconds=settings.lease_seconds
    )


def story_server(settings: ServerSettings) -> Part:
    """Return the server's part."""
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    listen = Listen(settings.story_host, settings.story_port, settings.drain_seconds)
    return server(StoryContract(), listen, Authenticator(secret))


def story_worker(settings: WorkerSettings) -> Part:
    """Return the worker's part."""
    # Not before a worker is wanted: a server starts in under a second and needs neither prompts nor lexicons.
    from services.story.authors import open_author  # noqa: PLC0415
    from services.story.pipeline import StoryPipeline  # noqa: PLC0415

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[StoryPipeline]:
        async with open_author(settings) as author:
            yield StoryPipeline(author)

    health = None
    if settings.worker_port is not None:
        health = Listen(settings.worker_host, settings.worker_port, settings.drain_seconds)
    engine = EngineWorkerSettings(settings.worker_slots, settings.lease_seconds)
    return worker(StoryContract().codec, open_pipeline, engine, health)


if __name__ == "__main__":
    main(sys.argv[1:])
