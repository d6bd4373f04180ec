"""The character service for the benchmarks: a server and a worker in processes of their own, and stored characters."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import grpc

from bench.processes import end
from bench.stage import LOCAL, Stage, free_port, start, store
from fabula.api.character.v1 import character_pb2 as pb
from fabula.engine.events import (
    Accepted,
    Body,
    Claimed,
    Event,
    LogLine,
    Progress,
    StageFinished,
    StageStarted,
    Succeeded,
)
from fabula.engine.ids import address_of
from fabula.engine.ports import Address, Entry
from fabula.engine.states import next_state
from fabula.rpc.client import Client, open_channel
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import CHARACTER, IMAGE
from services.character.contract import CharacterContract
from services.character.domain import Wish
from services.character.grammar.history import tell
from services.character.grammar.sheet import make
from services.character.sheet import Avatar, AvatarState, Character
from services.character.sheet import Order as CharacterOrder
from services.character.shelf import Shelf
from services.image.contract import ImageContract
from services.image.domain import Order as ImageOrder

OWNER = "local"
AT_ONCE = 50

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Registry:
    """A character server.

    Attributes:
        stage: Where its journal is.
        told: What its processes are told in their environment.
        channel: The way to it.
        client: Calls it.
    """

    stage: Stage
    told: dict[str, str]
    channel: grpc.aio.Channel
    client: Client

    @asynccontextmanager
    async def worker(self, **environment: str) -> AsyncIterator[None]:
        """Run a worker for as long as the block lasts; it has made a character already."""
        process = await start("-m", "services.character", "worker", **self.told, **environment)
        try:
            await asyncio.wait_for(self.make("a lighthouse keeper"), _START_SECONDS)
            yield
        finally:
            await end(process)

    async def make(self, description: str, *, avatar: bool = False) -> tuple[pb.Character, float]:
        """Make a character; return it, and at what time of the loop its details were seen."""
        clock, request_id = asyncio.get_running_loop().time, secrets.token_hex(16)
        wish = pb.CharacterRequest(description=description, seed=7, generate_avatar=avatar)
        await self.client.call(
            "StartGeneration", pb.StartGenerationRequest(request_id=request_id, character=wish), LOCAL
        )
        decided, last = 0.0, pb.WatchProgressResponse()
        watch = pb.WatchProgressRequest(request_id=request_id)
        async for data in self.client.stream("WatchProgress", watch, LOCAL):
            last = pb.WatchProgressResponse.FromString(data)
            if last.WhichOneof("output") == "details" and not decided:
                decided = clock()
        if not last.event.HasField("succeeded"):
            raise ValueError(f"a benchmark's character has failed: {last.event.failed.failure.message}")
        return last.character, decided


@asynccontextmanager
async def open_registry(stage: Stage, image_address: str = "") -> AsyncIterator[Registry]:
    """Run a character server for as long as the block lasts."""
    port = free_port()
    told = {"FABULA_NATS_URL": stage.nats_url, "FABULA_LOG_LEVEL": "error", "FABULA_CHARACTER_PORT": str(port)}
    if image_address:
        told["FABULA_IMAGE_ADDRESS"] = image_address
    process = await start("-m", "services.character", "server", **told)
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), _START_SECONDS)
            yield Registry(stage, told, channel, Client(CHARACTER, channel))
    finally:
        await end(process)


async def keep_characters(stage: Stage, count: int) -> None:
    """Put characters into the library of the local user, as a worker would have."""
    shelf = Shelf(stage.journal.records)

    async def keep(seed: int) -> None:
        wish = Wish(description="somebody", seed=seed)
        details, now = make(wish), datetime.now(UTC)
        character = Character("", details, tell(wish, details), saved=True, create_time=now, update_time=now)
        address = address_of(CHARACTER.name, OWNER, secrets.token_hex(8))
        await shelf.put(address, replace(character, id=address.id), after="")

    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*map(keep, range(first, min(first + AT_ONCE, count))))


async def keep_watched(stage: Stage, events: int) -> tuple[str, str]:
    """Store a character with an avatar whose log has so many events; return both ids."""
    character_address = address_of(CHARACTER.name, OWNER, secrets.token_hex(8))
    image_address = address_of(IMAGE.name, OWNER, secrets.token_hex(8))
    avatar = Avatar(AvatarState.READY, image_address.id, image_address.id)
    details, now = make(Wish(description="somebody")), datetime.now(UTC)
    character = Character("", details, "Once.", avatar, saved=True, create_time=now, update_time=now)
    await Shelf(stage.journal.records).put(character_address, replace(character, id=character_address.id), after="")
    made = _log(CHARACTER.name, CharacterOrder(Wish(description="somebody")), 0)
    painted = _log(IMAGE.name, ImageOrder(prompt="somebody"), events)
    await store(stage.journal, character_address, _encoded(CharacterContract().codec, character_address, made), 10)
    await store(stage.journal, image_address, _encoded(ImageContract().codec, image_address, painted), 10)
    return character_address.id, image_address.id


def _log(kind: str, order: object, lines: int) -> list[Body]:
    middle: list[Body] = [LogLine(f"step {number}") for number in range(lines)]
    begin: list[Body] = [Accepted(kind, OWNER, "bench", order), Claimed("bench", 1), StageStarted("work")]
    return [*begin, *middle, StageFinished("work"), Succeeded()]


def _encoded(codec: ProtoCodec, address: Address, happened: Sequence[Body]) -> list[Entry]:
    state, entries = None, []
    for sequence, body in enumerate(happened, start=1):
        state = next_state(state, body)
        progress = Progress(sequence / 100_000, "work", "Working")
        entries.append(codec.encode(address.id, Event(sequence, body, state, progress, time=datetime.now(UTC))))
    return entries
