"""Runs the story service: `python -m services.story [server|worker]`, and with no word both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fabula.engine.worker import WorkerSettings as EngineWorkerSettings
from fabula.program import Program, Role, authenticator_of, health_of
from fabula.rpc.server import Listen
from fabula.runtime import Part, server, worker
from fabula.settings import ServerSettings, StorySettings, WorkerSettings
from services.story.contract import StoryContract


def story_server(settings: ServerSettings) -> Part:
    """Return the server's part."""
    listen = Listen(settings.story_host, settings.story_port, settings.drain_seconds)
    return server(StoryContract(), listen, authenticator_of(settings))


def story_worker(settings: WorkerSettings) -> Part:
    """Return the worker's part."""
    # Not before a worker is wanted: a server starts in under a second and needs neither prompts nor lexicons.
    from services.story.authors import open_author  # noqa: PLC0415
    from services.story.pipeline import StoryPipeline  # noqa: PLC0415

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[StoryPipeline]:
        async with open_author(settings) as author:
            yield StoryPipeline(author)

    engine = EngineWorkerSettings(settings.worker_slots, settings.lease_seconds)
    return worker(StoryContract().codec, open_pipeline, engine, health_of(settings))


PROGRAM = Program(
    "story",
    server=Role(ServerSettings, [story_server]),
    worker=Role(WorkerSettings, [story_worker]),
    both=Role(StorySettings, [story_server, story_worker]),
)

if __name__ == "__main__":
    PROGRAM.main(sys.argv[1:])
