"""Runs the story service: `python -m services.story [server|worker]`, and with no word both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fabula.engine.worker import WorkerSettings as EngineWorkerSettings
from fabula.journal import Journal
from fabula.program import Program, Role, health_of
from fabula.rpc.server import Listen
from fabula.rpc.tls import tls_of
from fabula.rpc.trust import authenticator_of, issuer_of
from fabula.runtime import Part, Stop, server, worker
from fabula.settings import ServerSettings, StorySettings, WorkerSettings
from fabula.webhooks.addresses import rules_of
from services.story.contract import StoryContract
from services.story.library import open_library


def story_server(settings: ServerSettings) -> Part:
    """Return the server's part."""
    listen = Listen(settings.story_host, settings.story_port, settings.drain_seconds, tls_of(settings))

    async def part(journal: Journal, stop: Stop) -> None:
        async with open_library(settings.character_address, tls_of(settings)) as library:
            auth, issuer = authenticator_of(settings), issuer_of(settings)
            await server(
                StoryContract(library),
                listen,
                auth,
                issuer,
                rules=rules_of(settings),
                owner_queued=settings.owner_queued,
            )(journal, stop)

    return part


def story_worker(settings: WorkerSettings) -> Part:
    """Return the worker's part."""
    # Not before a worker is wanted: a server starts in under a second and needs neither prompts nor lexicons.
    from services.story.authors import open_author  # noqa: PLC0415
    from services.story.pipeline import StoryPipeline  # noqa: PLC0415

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[StoryPipeline]:
        library = open_library(settings.character_address, tls_of(settings))
        async with open_author(settings) as author, library as characters:
            yield StoryPipeline(author, characters, issuer_of(settings))

    engine = EngineWorkerSettings(settings.worker_slots, settings.lease_seconds)
    return worker(StoryContract().codec, open_pipeline, engine, health_of(settings), rules_of(settings))


PROGRAM = Program(
    "story",
    server=Role(ServerSettings, [story_server]),
    worker=Role(WorkerSettings, [story_worker]),
    both=Role(StorySettings, [story_server, story_worker]),
)

if __name__ == "__main__":
    PROGRAM.main(sys.argv[1:])
