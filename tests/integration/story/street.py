"""A story server and a worker that find a library of characters where a test has one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.worker import WorkerSettings
from fabula.journal import JournalSettings
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import STORY
from fabula.rpc.server import Listen
from fabula.runtime import server, worker
from services.story.author import Author
from services.story.contract import StoryContract
from services.story.grammar.author import GrammarAuthor
from services.story.library import open_library
from services.story.pipeline import StoryPipeline
from tests.integration.story.house import SECRET, User, free_port, running, story, token


@asynccontextmanager
async def telling(
    settings: JournalSettings,
    *,
    library: int,
    worker_library: int = 0,
    working: bool = True,
    author: Author | None = None,
    secret: str | None = SECRET,
) -> AsyncIterator[User]:
    """Run a story server and, if wanted, a worker while the block lasts; yield a caller of theirs.

    Args:
        settings: How they reach the journal.
        library: Port of the library.
        worker_library: The same for the worker; 0: there is but one.
        working: Whether there is a worker.
        author: Who writes; None: the bundled author, as fast as it can.
        secret: Shared secret of the tokens' signatures; None: authentication is off.
    """
    port = free_port()
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(open_library(f"127.0.0.1:{library}"))
        serving = server(StoryContract(asked), Listen(port=port, drain_seconds=1.0), Authenticator(secret))
        await stack.enter_async_context(running(serving, settings))

        @asynccontextmanager
        async def open_pipeline() -> AsyncIterator[StoryPipeline]:
            async with open_library(f"127.0.0.1:{worker_library or library}") as known:
                yield StoryPipeline(author or GrammarAuthor(0), known, Issuer(secret))

        if working:
            part = worker(StoryContract().codec, open_pipeline, WorkerSettings(4, 1.0))
            await stack.enter_async_context(running(part, settings))
        channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{port}"))
        await channel.channel_ready()
        yield User(Client(STORY, channel), Caller(token("ida") if secret else ""))


def about(*people: dict[str, Any], **fields: Any) -> pb.StoryRequest:
    """Return the request for a story about these people."""
    wanted = {"words": 500, "characters": list(people), **fields}
    return story("Two friends count boats in the harbour.", **wanted)
