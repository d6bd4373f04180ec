"""A story house for tests: the real gRPC server, the real worker, a real NATS server, and callers with tokens."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import jwt

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.backends.text import TextModel
from fabula.engine.worker import WorkerSettings
from fabula.journal import Journal, JournalSettings, connect
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import STORY
from fabula.rpc.server import Listen
from fabula.runtime import Stop, server, worker
from services.story.contract import StoryContract
from services.story.pipeline import StoryPipeline
from services.story.prompted import PromptedAuthor
from tests.integration.story.scripts import Script, ScriptedModel

SECRET = "a secret that only this test and its server know"

T = TypeVar("T")


def token(owner: str, *, secret: str = SECRET, expires_in: float = 600, **claims: Any) -> str:
    """Return a signed token."""
    return jwt.encode({"sub": owner, "exp": int(time.time() + expires_in), **claims}, secret, algorithm="HS256")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def story(premise: str = "Ann counts boats.", **fields: Any) -> pb.StoryRequest:
    """Return a short story's request, in one chapter and with a seed."""
    return pb.StoryRequest(**{"premise": premise, "words": 60, "chapters": 1, "seed": 1, **fields})


@dataclass(frozen=True, slots=True)
class User:
    """One caller of the service, with generations of their own."""

    client: Client
    caller: Caller

    async def call(self, rpc: str, **fields: Any) -> Any:
        """Make a single call."""
        return await self.client.call(rpc, STORY.request(rpc)(**fields), self.caller)

    async def start(self, wanted: pb.StoryRequest | None = None, **fields: Any) -> str:
        """Start a story; return its id."""
        response = await self.call("StartGeneration", story=wanted or story(), **fields)
        id_: str = response.generation.id
        return id_

    async def get(self, id_: str) -> Any:
        """Return the generation in short."""
        return (await self.call("GetGeneration", generation_id=id_)).generation

    async def watch(self, **fields: Any) -> AsyncGenerator[Any, None]:
        """Watch on one connection."""
        request = pb.WatchProgressRequest(**fields)
        async with aclosing(self.client.stream("WatchProgress", request, self.caller)) as stream:
            async for data in stream:
                yield pb.WatchProgressResponse.FromString(data)

    async def watched(self, **fields: Any) -> list[Any]:
        """Watch to the end; return everything that came."""
        return [response async for response in self.watch(**fields)]

    async def log(self, id_: str, **fields: Any) -> list[Any]:
        """Watch to the end; return what is part of the log."""
        return [response for response in await self.watched(generation_id=id_, **fields) if response.event.sequence]

    async def listed(self, **fields: Any) -> list[str]:
        """Return the ids of the first page."""
        response = await self.call("ListGenerations", **fields)
        return [generation.id for generation in response.generations]

    async def log_so_far(self, id_: str) -> list[Any]:
        """Return what the log has at this moment."""
        length = (await self.get(id_)).last_sequence
        return await first(self.watch(generation_id=id_), length)

    async def reaches_any(self, id_: str, *states: gen.State.ValueType, seconds: float = 20.0) -> None:
        """Wait until the generation is in one of these states."""
        async with asyncio.timeout(seconds):
            async for response in self.watch(generation_id=id_, snapshot=True):
                if response.event.state in states:
                    return

    async def has_written(self, id_: str, text: str, seconds: float = 20.0) -> None:
        """Wait until this text is in the log: what a writer has written is stored a moment later."""
        async with asyncio.timeout(seconds):
            written = ""
            async for response in self.watch(generation_id=id_):
                written += response.event.text_delta.text
                if text in written:
                    return

    async def reaches(self, id_: str, state: gen.State.ValueType, seconds: float = 20.0) -> Any:
        """Wait until the generation is in a state; return it in short."""
        async with asyncio.timeout(seconds):
            async for response in self.watch(generation_id=id_, snapshot=True):
                if response.event.state == state:
                    break
        return await self.get(id_)


def owner_of(user: User) -> str:
    """Return whose token this is."""
    owner: str = jwt.decode(user.caller.token, options={"verify_signature": False})["sub"]
    return owner


@dataclass(slots=True)
class House:
    """A server on a free port, and what stands behind it.

    Attributes:
        settings: How its processes reach the journal.
        journal: A journal of the test's own.
        port: Where the server listens.
        model: What the worker writes with.
    """

    settings: JournalSettings
    journal: Journal
    port: int
    model: ScriptedModel
    channel: grpc.aio.Channel

    @property
    def address(self) -> str:
        """Where the server is."""
        return f"127.0.0.1:{self.port}"

    def user(self, name: str = "", **claims: Any) -> User:
        """Return a caller with a valid token; a new one unless named."""
        return self.user_with(token(name or f"user {uuid4()}", **claims))

    def user_with(self, some_token: str) -> User:
        """Return a caller with this very token."""
        return User(Client(STORY, self.channel), Caller(some_token))

    def release(self) -> None:
        """Let every story go on that a test has left waiting: they hold the worker's slots."""
        for script in self.model.scripts.values():
            script.go.set()

    def script(self, **fields: Any) -> Script:
        """Write a script for one story."""
        script = Script(uuid4().hex, **fields)
        self.model.scripts[script.name] = script
        return script


@asynccontextmanager
async def running(part: Callable[[Journal, Stop], Any], settings: JournalSettings) -> AsyncIterator[Stop]:
    """Run a server or worker beside the test; setting what is yielded stops it."""
    stop = Stop()

    async def run() -> None:
        async with connect(settings) as journal:
            await part(journal, stop)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run())
        try:
            yield stop
        finally:
            stop.set()


@asynccontextmanager
async def open_house(
    nats_url: str, *, working: bool = True, writer: TextModel | None = None, owner_queued: int = 0
) -> AsyncIterator[House]:
    """Run a server with authentication and, if wanted, a worker that writes by scripts, or with another model."""
    settings = JournalSettings(url=nats_url, name="test", lease_seconds=1.0, idle_check_seconds=0.2)
    model = ScriptedModel()
    listen = Listen(port=free_port(), drain_seconds=1.0)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(connect(settings))
        part = server(StoryContract(), listen, Authenticator(SECRET), Issuer(SECRET), owner_queued=owner_queued)
        await stack.enter_async_context(running(part, settings))
        if working:
            await stack.enter_async_context(running(working_part(writer or model), settings))
        channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{listen.port}"))
        await asyncio.wait_for(channel.channel_ready(), 10)
        yield House(settings, journal, listen.port, model, channel)


def working_part(model: TextModel) -> Any:
    """Return a worker that writes with this model."""

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[StoryPipeline]:
        yield StoryPipeline(PromptedAuthor(model))

    return worker(StoryContract().codec, open_pipeline, WorkerSettings(slots=16, lease_seconds=1.0))


def bodies(responses: list[Any]) -> list[str]:
    """Return the names of the events' bodies."""
    return [response.event.WhichOneof("body") for response in responses]


def sequences(responses: list[Any]) -> list[int]:
    """Return the events' sequences."""
    return [response.event.sequence for response in responses]


def text_of(responses: list[Any], stage: str) -> str:
    """Return a stage's text as its deltas tell it."""
    parts: list[str] = []
    for response in responses:
        event = response.event
        if event.HasField("text_delta") and event.text_delta.stage == stage:
            assert sum(map(len, parts)) == event.text_delta.offset
            parts.append(event.text_delta.text)
        elif stage in (event.stage_started.stage, event.stage_restarted.stage):
            parts.clear()  # begun again: what it wrote before is void
    return "".join(parts)


async def first(source: AsyncGenerator[T, None], count: int, seconds: float = 20.0) -> list[T]:
    """Return the first `count` items and close the source."""
    taken: list[T] = []
    async with asyncio.timeout(seconds), aclosing(source):
        async for item in source:
            taken.append(item)
            if len(taken) == count:
                break
    return taken
