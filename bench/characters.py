"""What it costs a character to be a generation, its avatar to be asked for elsewhere, and a library to be large."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable
from typing import Any

import grpc

from bench.character_stage import OWNER, Registry, keep_characters, keep_watched, open_registry
from bench.image_stage import WATCH, Studio, open_studio
from bench.stage import LOCAL, Stage
from bench.table import Row
from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2
from fabula.engine.ids import owner_token
from fabula.rpc.client import open_channel
from fabula.rpc.kinds import CHARACTER
from services.character.domain import Wish
from services.character.grammar.maker import GrammarMaker
from services.character.shelf import CHARACTERS

DESCRIPTION = "a brave knight of forty, afraid of geese"
TURNS = 20
TOLD_TURNS = 3
AVATARS = 5
PACE = 60
EVENTS = 2_000
RELAYS = 5
KEPT = 1_000
PAGE = 20

WATCH_CHARACTER = CHARACTER.path("WatchCharacter")

WHY_MADE = (
    "The bundled maker decides and tells within milliseconds. A request is stored, claimed and settled, and each stage "
    "stored before it is seen; with a language model, or at the pace at which the bundled one tells, that is little."
)
WHY_AVATAR = (
    "The request for another avatar is a record, and a keeper looks for such records twice a second: a quarter of a "
    "second on average, whatever a picture takes. The first avatar of a character does not wait for it: its own worker "
    "tells the keeper. Then the generation is started over gRPC, and what it tells is passed on."
)
WHY_RELAY = "Each event is decoded and encoded once more, and crosses a second gRPC stream on the same processors."
WHY_LIST = (
    "Records have no order in time: all of the owner's are read for every page, decoded, and sorted. A query looks "
    "through all of them as well."
)


async def made(stage: Stage) -> list[Row]:
    """Time to the details and to the end of a character, and of bare calls of the same maker."""
    rows: dict[str, tuple[list[float], list[float]]] = {"details": ([], []), "done": ([], []), "told": ([], [])}
    async with open_registry(stage) as registry:
        for pace, turns, keys in ((0, TURNS, ("details", "done")), (PACE, TOLD_TURNS, ("told",))):
            async with registry.worker(FABULA_GRAMMAR_WORDS_PER_SECOND=str(pace)):
                await _bare(pace)
                for _ in range(turns):
                    bare, ours = await _bare(pace), await _asked(registry)
                    for key, index in zip(keys, (0, 1) if len(keys) > 1 else (1,), strict=True):
                        rows[key][0].append(ours[index])
                        rows[key][1].append(bare[index])
    whats = {
        "details": ("request for a character → who it is is shown", "≤ 5"),
        "done": ("request for a character → it is done, told as fast as can be", "≤ 5"),
        "told": (f"request for a character → it is done, told at {PACE} words/s", "≤ 1.05"),
    }
    return [
        Row(what, "ms", *rows[key], "bare calls of the same maker", aim, lower_is_better=True, why=WHY_MADE)
        for key, (what, aim) in whats.items()
    ]


async def _asked(registry: Registry) -> tuple[float, float]:
    clock = asyncio.get_running_loop().time
    begun = clock()
    _, decided = await registry.make(DESCRIPTION)
    return (decided - begun) * 1000, (clock() - begun) * 1000


async def _bare(pace: int) -> tuple[float, float]:
    maker, wish = GrammarMaker(pace), Wish(description=f"{DESCRIPTION} {secrets.token_hex(2)}", seed=7)
    begun = time.perf_counter()
    details = await maker.details(wish)
    decided = time.perf_counter()
    async for _ in maker.history(wish, details):
        pass
    return (decided - begun) * 1000, (time.perf_counter() - begun) * 1000


async def avatar(stage: Stage) -> list[Row]:
    """Time to an avatar's first preview and to its end, and to those of the same picture asked for directly."""
    first: tuple[list[float], list[float]] = ([], [])
    done: tuple[list[float], list[float]] = ([], [])
    async with open_studio(stage) as studio, studio.worker(), open_registry(stage, studio.address) as registry:
        await studio.model()
        async with registry.worker(FABULA_GRAMMAR_WORDS_PER_SECOND="0"):
            character, _ = await registry.make(DESCRIPTION, avatar=True)
            picture = await _picture_of(studio, character.avatar.generation_id)
            for _ in range(AVATARS):
                for told, seen in ((0, await _repainted(registry, character.id)), (1, await _painted(studio, picture))):
                    first[told].append(seen[0])
                    done[told].append(seen[1])
    against = "the same picture asked of the image service"
    return [
        Row("request for a new avatar → its first preview", "s", *first, against, "≤ 1.2", True, WHY_AVATAR),
        Row("request for a new avatar → the library has it", "s", *done, against, "≤ 1.2", True, WHY_AVATAR),
    ]


async def _picture_of(studio: Studio, generation_id: str) -> Any:
    """Wait until a picture is painted; return what was asked for."""
    watch = image_pb2.WatchProgressRequest(generation_id=generation_id, wait_for_start=True)
    async for _ in studio.client.stream("WatchProgress", watch, LOCAL):
        pass
    read = image_pb2.GetGenerationRequest(generation_id=generation_id)
    return (await studio.client.call("GetGeneration", read, LOCAL)).request


async def _repainted(registry: Registry, character_id: str) -> tuple[float, float]:
    begun = time.perf_counter()
    asked = pb.RegenerateAvatarRequest(character_id=character_id, request_id=secrets.token_hex(16))
    answer = await registry.client.call("RegenerateAvatar", asked, LOCAL)
    seen = 0.0
    watch = pb.WatchCharacterRequest(character_id=character_id)
    async for data in registry.client.stream("WatchCharacter", watch, LOCAL):
        happened = pb.WatchCharacterResponse.FromString(data)
        if happened.avatar.HasField("preview") and not seen:
            seen = time.perf_counter()
        kept = happened.changed.avatar
        if kept.ready_generation_id == answer.character.avatar.generation_id:
            return seen - begun, time.perf_counter() - begun
    raise ValueError("a benchmark's avatar has failed")


async def _painted(studio: Studio, picture: Any) -> tuple[float, float]:
    begun = time.perf_counter()
    request_id = secrets.token_hex(16)
    start = image_pb2.StartGenerationRequest(request_id=request_id, image=picture)
    await studio.client.call("StartGeneration", start, LOCAL)
    seen, state = 0.0, gen.STATE_UNSPECIFIED
    watch = image_pb2.WatchProgressRequest(request_id=request_id)
    async for data in studio.client.stream("WatchProgress", watch, LOCAL):
        event = image_pb2.WatchProgressResponse.FromString(data).event
        state = event.state
        if event.HasField("preview") and not seen:
            seen = time.perf_counter()
    if state != gen.STATE_SUCCEEDED:
        raise ValueError("a benchmark's picture has failed")
    return seen - begun, time.perf_counter() - begun


async def relay(stage: Stage) -> list[Row]:
    """Events a second of an avatar's log, through WatchCharacter and through WatchProgress of the image service."""
    ours: list[float] = []
    theirs: list[float] = []
    async with (
        open_studio(stage) as studio,
        open_registry(stage, studio.address) as registry,
        open_channel(studio.address) as channel,
    ):
        for _ in range(RELAYS):
            for turn in (_relayed, _direct):  # of logs of their own: a server remembers parts of those it has read
                character_id, image_id = await keep_watched(stage, EVENTS)
                rate = await turn(registry.channel if turn is _relayed else channel, character_id, image_id)
                (ours if turn is _relayed else theirs).append(rate)
    what = f"WatchCharacter, an avatar's log of {EVENTS:,} events"
    return [Row(what, "events/s", ours, theirs, "WatchProgress at the image service", "≥ 0.5", why=WHY_RELAY)]


async def _relayed(channel: grpc.aio.Channel, character_id: str, _image_id: str) -> float:
    request = pb.WatchCharacterRequest(character_id=character_id).SerializeToString()
    return await _rate(channel, WATCH_CHARACTER, request)


async def _direct(channel: grpc.aio.Channel, _character_id: str, image_id: str) -> float:
    request = image_pb2.WatchProgressRequest(generation_id=image_id).SerializeToString()
    return await _rate(channel, WATCH, request)


async def _rate(channel: grpc.aio.Channel, path: str, request: bytes) -> float:
    begun, count = time.perf_counter(), 0
    async for _ in channel.unary_stream(path, None, None)(request):
        count += 1
    if count < EVENTS:
        raise ValueError(f"{path} has sent {count} messages of {EVENTS}")
    return count / (time.perf_counter() - begun)


async def listed(stage: Stage) -> list[Row]:
    """Time of a page of a large library, and of a bare read of its records."""
    await keep_characters(stage, KEPT)
    pages: list[float] = []
    queries: list[float] = []
    bare: list[float] = []
    async with open_registry(stage) as registry:
        for turn in range(TURNS + 1):
            took = [await _timed(_page(registry, "")), await _timed(_page(registry, "knight"))]
            took.append(await _timed(stage.journal.records.all(f"{CHARACTERS}.{owner_token(OWNER)}")))
            if turn:  # the first of all loads what is needed
                for times, milliseconds in zip((pages, queries, bare), took, strict=True):
                    times.append(milliseconds)
    what, against = f"ListCharacters, a page of {PAGE} from {KEPT:,}", "a bare read of these records"
    return [
        Row(what, "ms", pages, bare, against, "≤ 2", lower_is_better=True, why=WHY_LIST),
        Row(f"{what}, with a query", "ms", queries, bare, against, "≤ 2", lower_is_better=True, why=WHY_LIST),
    ]


def _page(registry: Registry, query: str) -> Awaitable[object]:
    return registry.client.call("ListCharacters", pb.ListCharactersRequest(page_size=PAGE, query=query), LOCAL)


async def _timed(call: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await call
    return (time.perf_counter() - begun) * 1000
