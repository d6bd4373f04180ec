"""What the benchmarks run on: a private nats-server, a story server in a process of its own, and logs to watch."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from bench.processes import end
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import (
    Accepted,
    Body,
    Claimed,
    Event,
    Progress,
    StageFinished,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.ids import address_of
from fabula.engine.ports import Address, Entry, Purpose
from fabula.engine.states import next_state
from fabula.journal.embedded import EmbeddedServer
from fabula.journal.journal import Journal, connect
from fabula.journal.settings import JournalSettings
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import STORY
from services.story.contract import StoryContract
from services.story.domain import Brief, Order

CODEC = StoryContract().codec

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        pid: Its process.
        address: Where it listens.
    """

    pid: int
    address: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a benchmark needs.

    Attributes:
        journal: The journal, from this process.
        nats: Its server.
        story: The story server.
        client: A client of the story server.
        channel: Its channel.
    """

    journal: Journal
    nats: EmbeddedServer
    story: Server
    client: Client
    channel: grpc.aio.Channel

    @property
    def nats_url(self) -> str:
        """Where the journal's server is."""
        return self.nats.url

    @property
    def story_address(self) -> str:
        """Where the story server is."""
        return self.story.address


@asynccontextmanager
async def set_stage() -> AsyncIterator[Stage]:
    """Start what the benchmarks run on, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="fabula-bench-") as folder:
        async with EmbeddedServer(Path(folder)) as nats, story_server(nats.url) as server:
            channel = open_channel(server.address)
            try:
                async with connect(JournalSettings(url=nats.url, name="bench")) as journal:
                    yield Stage(journal, nats, server, Client(STORY, channel), channel)
            finally:
                await channel.close(None)


@asynccontextmanager
async def story_server(nats_url: str) -> AsyncIterator[Server]:
    """Run a story server in a process of its own, for as long as the block lasts."""
    port = free_port()
    environment = {"FABULA_NATS_URL": nats_url, "FABULA_STORY_PORT": str(port), "FABULA_LOG_LEVEL": "error"}
    environment["FABULA_OWNER_QUEUED"] = "0"  # a bench starts thousands for one owner
    process = await start("-m", "services.story", "server", **environment)
    address = f"127.0.0.1:{port}"
    try:
        async with open_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
        yield Server(process.pid, address)
    finally:
        await end(process)


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """Start a Python process with this interpreter."""
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, env={**os.environ, **environment})


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_address() -> Address:
    """Return the address of a generation that does not exist yet."""
    return address_of("story", "local", secrets.token_hex(8))


def new_request(story: pb.StoryRequest) -> tuple[pb.StartGenerationRequest, Address]:
    """Return a request to start a generation, and its address before it exists."""
    request_id = secrets.token_hex(16)
    return pb.StartGenerationRequest(request_id=request_id, story=story), address_of("story", "local", request_id)


async def ended(stage: Stage, address: Address) -> None:
    """Wait until a generation has succeeded, without watching it."""
    while True:
        record = await stage.journal.events.last(address)
        state = CODEC.decode(record.entries[-1]).state if record else State.QUEUED
        if state.terminal:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    if state is not State.SUCCEEDED:
        raise ValueError(f"a benchmark's generation has {state}")


def bodies(deltas: int, text: str = "Once upon a time there was. ") -> list[Body]:
    """Return a whole story's events, with this many text deltas."""
    order = Order(Brief(premise="A benchmark."))
    middle: list[Body] = [TextDelta("write-1", index * len(text), text) for index in range(deltas)]
    begin: list[Body] = [
        Accepted("story", "local", "bench", order),
        Claimed("bench", 1),
        StageStarted("write-1", ("Writer",)),
    ]
    return [*begin, *middle, StageFinished("write-1"), Succeeded()]


def encoded(
    address: Address,
    happened: Sequence[Body],
    first: int = 1,
    state: State | None = None,
    message: str = "Writing chapter 1 of 1",
) -> list[Entry]:
    """Return entries of these events."""
    entries: list[Entry] = []
    for sequence, body in enumerate(happened, start=first):
        state = next_state(state, body)
        progress = Progress(sequence / 100_000, "write-1", message, active_agents=("Writer",))
        event = Event(sequence, body, state, progress, time=datetime.now(UTC))
        entries.append(CODEC.encode(address.id, event))
    return entries


async def store(journal: Journal, address: Address, entries: Sequence[Entry], per_record: int) -> None:
    """Append entries, so many to a record."""
    revision = 0
    for start_ in range(0, len(entries), per_record):
        part = entries[start_ : start_ + per_record]
        revision = await journal.events.append(
            address, part, after=revision, append_id=secrets.token_hex(8), purpose=Purpose.NOTE
        )


def watch_request(address: Address) -> pb.WatchProgressRequest:
    """Return the request that watches a generation from its start."""
    return pb.WatchProgressRequest(generation_id=address.id)


LOCAL = Caller()
