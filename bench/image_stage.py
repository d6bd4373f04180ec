"""The image service for the benchmarks: a server and a worker in processes of their own, and a picture's figures."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from bench.processes import end
from bench.readers import Readers
from bench.stage import LOCAL, Stage, free_port, start
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2 as pb
from fabula.engine.ids import address_of
from fabula.errors import FabulaError
from fabula.rpc.client import Client, open_channel
from fabula.rpc.kinds import IMAGE

WATCH = IMAGE.path("WatchProgress")

_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Studio:
    """An image server.

    Attributes:
        stage: Where its journal is.
        address: Where it listens.
        client: Calls it.
    """

    stage: Stage
    address: str
    client: Client

    @asynccontextmanager
    async def worker(self, **environment: str) -> AsyncIterator[None]:
        """Run a worker for as long as the block lasts."""
        told = {"FABULA_NATS_URL": self.stage.nats_url, "FABULA_LOG_LEVEL": "error", **environment}
        process = await start("-m", "services.image", "worker", **told)
        try:
            yield
        finally:
            await end(process)

    async def model(self) -> pb.Model:
        """Wait until a worker has loaded its model; return what it can do."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    model: pb.Model = (await self.client.call("GetModel", pb.GetModelRequest(), LOCAL)).model
                except FabulaError:
                    await asyncio.sleep(0.1)
                else:
                    return model

    async def paint(self, image: pb.ImageRequest, watchers: int = 0) -> pb.Image:
        """Paint before an audience that came first; return the result."""
        request_id = secrets.token_hex(16)
        request = pb.StartGenerationRequest(request_id=request_id, image=image)
        if watchers:
            id_ = address_of(IMAGE.name, "local", request_id).id
            watching = pb.WatchProgressRequest(generation_id=id_, wait_for_start=True).SerializeToString()
            async with Readers.of(self.address, WATCH, [watching] * watchers) as readers:
                await self.client.call("StartGeneration", request, LOCAL)
                await readers.until_ended()
        else:
            await self.client.call("StartGeneration", request, LOCAL)
        return await self.result(request_id)

    async def result(self, request_id: str) -> pb.Image:
        """Wait for a picture; return the result."""
        watch = pb.WatchProgressRequest(request_id=request_id, wait_for_start=True, conflate=True)
        last = pb.WatchProgressResponse()
        async with aclosing(self.client.stream("WatchProgress", watch, LOCAL)) as events:
            async for data in events:
                last = pb.WatchProgressResponse.FromString(data)
        if last.event.state != gen.STATE_SUCCEEDED:
            raise ValueError(f"a benchmark's picture has failed: {last.event.failed.failure.message}")
        return last.image

    async def first_step(self, image: pb.ImageRequest) -> float:
        """Ask for a picture; return how many seconds its first step took to be seen."""
        request_id = secrets.token_hex(16)
        begun = time.monotonic()
        await self.client.call("StartGeneration", pb.StartGenerationRequest(request_id=request_id, image=image), LOCAL)
        watch = pb.WatchProgressRequest(request_id=request_id)
        async with aclosing(self.client.stream("WatchProgress", watch, LOCAL)) as events:
            async for data in events:
                event = pb.WatchProgressResponse.FromString(data).event
                if event.progress.stage == "base_model" and event.progress.step:
                    break
        seconds = time.monotonic() - begun
        await self.result(request_id)
        return seconds


def working_seconds(image: pb.Image, stages: Sequence[str] = ()) -> float:
    """Return the working time of a picture's stages; of all of them if none are named."""
    timings = (timing for timing in image.timings if not stages or timing.stage in stages)
    return sum(timing.elapsed.ToMicroseconds() / 1e6 for timing in timings)


@asynccontextmanager
async def open_studio(stage: Stage) -> AsyncIterator[Studio]:
    """Run an image server for as long as the block lasts."""
    port = free_port()
    told = {"FABULA_NATS_URL": stage.nats_url, "FABULA_IMAGE_PORT": str(port), "FABULA_LOG_LEVEL": "error"}
    process = await start("-m", "services.image", "server", **told)
    address = f"127.0.0.1:{port}"
    try:
        async with open_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
            yield Studio(stage, address, Client(IMAGE, channel))
    finally:
        await end(process)
