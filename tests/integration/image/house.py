"""An image house for tests: the real gRPC server, the real worker, a real NATS server, and callers with tokens."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
from PIL import Image

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.image import ImageModel
from fabula.engine.events import Event
from fabula.engine.ports import Address, GenerationId
from fabula.engine.worker import WorkerSettings
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.blobs import JetStreamBlobs
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import IMAGE
from fabula.rpc.server import Listen
from fabula.runtime import Stop, server, worker
from services.image.card import publish
from services.image.contract import ImageContract
from services.image.painters import Painter
from services.image.pipeline import ImagePipeline
from tests.integration.story.house import SECRET, free_port, running, token
from tests.log_rules import assert_cuts, assert_rules

Spoil = Callable[[JetStreamBlobs], JetStreamBlobs]

PATIENCE_SECONDS = 120.0
"""How long a test waits for what must come: the machine may be busy, and a model takes seconds to load."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One caller of the service, with generations of their own."""

    client: Client
    caller: Caller
    owner: str = ""

    async def call(self, rpc: str, **fields: Any) -> Any:
        """Make a single call."""
        return await self.client.call(rpc, IMAGE.request(rpc)(**fields), self.caller)

    async def start(self, prompt: str = "a red boat", request_id: str = "", **fields: Any) -> str:
        """Ask for pictures; return the generation's id."""
        image = pb.ImageRequest(**{"prompt": prompt, "seed": 7, **fields})
        response = await self.call("StartGeneration", image=image, request_id=request_id)
        id_: str = response.generation.id
        return id_

    async def get(self, id_: str) -> Any:
        """Return the generation with its request, and what there is of it."""
        return await self.call("GetGeneration", generation_id=id_)

    async def state(self, id_: str) -> int:
        """Return the state that the generation is in."""
        state: int = (await self.get(id_)).generation.state
        return state

    async def watch(self, **fields: Any) -> AsyncGenerator[Any, None]:
        """Watch on one connection."""
        request = pb.WatchProgressRequest(**fields)
        async with aclosing(self.client.stream("WatchProgress", request, self.caller)) as stream:
            async for data in stream:
                yield pb.WatchProgressResponse.FromString(data)

    async def until(self, id_: str, holds: Callable[[Any], bool], **fields: Any) -> list[Any]:
        """Watch until a response of which this holds; return all up to it."""
        seen: list[Any] = []
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(self.watch(generation_id=id_, **fields)) as responses:
            async for response in responses:
                seen.append(response)
                if holds(response):
                    return seen
        told = [(one.event.WhichOneof("body"), one.event.progress.step, one.event.progress.message) for one in seen]
        raise AssertionError(f"it did not come: {told}")

    async def until_step(self, id_: str, stage: str, step: int) -> None:
        """Wait until a stage has done a step."""
        await self.until(id_, lambda one: one.event.progress.stage == stage and one.event.progress.step >= step)

    async def until_stage(self, id_: str, stage: str) -> None:
        """Wait until a stage has begun."""
        await self.until(id_, lambda one: one.event.stage_started.stage == stage)

    async def reaches(self, id_: str, *states: gen.State.ValueType) -> Any:
        """Wait until the generation is in one of these states; return it with all there is."""
        await self.until(id_, lambda one: one.event.state in states, snapshot=True)
        return await self.get(id_)

    async def watched(self, id_: str, **fields: Any) -> list[Any]:
        """Watch to the end; return everything that came."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [response async for response in self.watch(generation_id=id_, **fields)]

    async def painted(self, *args: Any, **fields: Any) -> Any:
        """Ask for pictures and wait for them; return the result."""
        id_ = await self.start(*args, **fields)
        return await self.result(id_)

    async def result(self, id_: str) -> Any:
        """Wait for the end, which must be a success; return the result."""
        found = await self.reaches(id_, gen.STATE_SUCCEEDED, gen.STATE_FAILED, gen.STATE_CANCELLED)
        assert found.generation.state == gen.STATE_SUCCEEDED, found.generation.failure
        return found.image

    async def downloaded(self, id_: str, index: int = 0, **fields: Any) -> tuple[Any, list[bytes]]:
        """Download a picture, or a part of it; return what it is, and the pieces it came in."""
        request = pb.DownloadPictureRequest(generation_id=id_, index=index, **fields)
        picture: Any = None
        pieces: list[bytes] = []
        async with aclosing(self.client.stream("DownloadPicture", request, self.caller)) as stream:
            async for data in stream:
                response = pb.DownloadPictureResponse.FromString(data)
                if response.HasField("picture"):
                    picture = response.picture
                else:
                    pieces.append(response.data)
        return picture, pieces

    async def pictures(self, id_: str) -> list[bytes]:
        """Return the bytes of all finished pictures."""
        count = len((await self.get(id_)).image.pictures)
        return [b"".join((await self.downloaded(id_, index))[1]) for index in range(count)]


@dataclass(slots=True)
class House:
    """A server on a free port, and what stands behind it.

    Attributes:
        settings: How its processes reach the journal.
        journal: A journal of the test's own.
        port: Where the server listens.
        model: What the workers paint with.
        channel: To the server.
        customers: All callers there were.
    """

    settings: JournalSettings
    journal: Journal
    port: int
    model: ImageModel
    channel: grpc.aio.Channel
    customers: list[Customer] = field(default_factory=list)

    def customer(self, name: str = "") -> Customer:
        """Return a caller with a valid token; a new one unless named."""
        owner = name or f"user {uuid4()}"
        customer = Customer(Client(IMAGE, self.channel), Caller(token(owner)), owner)
        self.customers.append(customer)
        return customer

    async def log(self, customer: Customer, id_: str) -> list[Event]:
        """Return a generation's log, having checked all rules on it."""
        codec = ImageContract().codec
        log: list[Event] = []
        address = Address("image", customer.owner, GenerationId(id_))
        async with aclosing(self.journal.events.read(address)) as records:
            async for record in records:
                log += [codec.decode(entry) for entry in record.entries]
        assert_rules(log)
        assert_cuts(log)
        return log

    async def check_all(self) -> None:
        """Check the rules on the log of every generation that its customers have started."""
        for customer in self.customers:
            for started in await self.journal.events.listing("image", customer.owner):
                await self.log(customer, started.address.id)

    async def kept(self, id_: str) -> list[str]:
        """Return the names of the blobs of a generation that are there, without their path."""
        topics = await self.journal.blobs._topics("fabula.blob.>")
        names = [_name(topic) for topic in topics if topic.endswith(".m")]
        return sorted(name.removeprefix(f"image/{id_}/") for name in names if name.startswith(f"image/{id_}/"))

    def working(self, slots: int = 4, checkpoint_steps: int = 5, spoil: Spoil = lambda blobs: blobs) -> Any:
        """Run one more worker while the block lasts, perhaps one to whom the store of blobs does not do its duty."""
        return running(working_part(self.model, slots, checkpoint_steps, spoil), self.settings)


def _name(topic: str) -> str:
    return "/".join(bytes.fromhex(step[1:]).decode() for step in topic.split(".")[2:-1])


def working_part(
    model: ImageModel, slots: int = 4, checkpoint_steps: int = 5, spoil: Spoil = lambda blobs: blobs
) -> Any:
    """Return a worker that paints with this model, which stays open when the worker ends."""

    async def part(opened: Journal, stop: Stop) -> None:
        journal = replace(opened, blobs=spoil(opened.blobs))

        @asynccontextmanager
        async def open_pipeline() -> AsyncIterator[ImagePipeline]:
            painter = Painter(model, partial(publish, journal.records))
            async with asyncio.TaskGroup() as tasks:
                warming = tasks.create_task(painter.warm())
                yield ImagePipeline(painter, checkpoint_steps)
                warming.cancel()

        await worker(ImageContract().codec, open_pipeline, WorkerSettings(slots, 1.0))(journal, stop)

    return part


@asynccontextmanager
async def open_house(nats_url: str, model: ImageModel, *, working: bool = True) -> AsyncIterator[House]:
    """Run a server with authentication and, if wanted, a worker that paints with this model."""
    settings = JournalSettings(url=nats_url, name="test", lease_seconds=1.0, idle_check_seconds=0.2)
    listen = Listen(port=free_port(), drain_seconds=1.0)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(connect(settings))
        part = server(ImageContract(), listen, Authenticator(SECRET), Issuer(SECRET))
        await stack.enter_async_context(running(part, settings))
        channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{listen.port}"))
        await asyncio.wait_for(channel.channel_ready(), 10)
        house = House(settings, journal, listen.port, model, channel)
        if working:
            await stack.enter_async_context(house.working())
            await until_known(house)
        yield house
        await house.check_all()


async def until_known(house: House) -> None:
    """Wait until the server knows what the model can do."""
    customer = house.customer()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await customer.call("GetModel")
            except Exception:  # noqa: BLE001 - the bound above is the judge
                await asyncio.sleep(0.05)
            else:
                return


def bodies(responses: list[Any]) -> list[str]:
    """Return the names of the events' bodies."""
    return [response.event.WhichOneof("body") for response in responses]


def picture_file(form: str = "PNG", size: tuple[int, int] = (48, 32), colour: str = "teal", **options: Any) -> bytes:
    """Return a picture's file."""
    output = io.BytesIO()
    Image.new("RGB", size, colour).save(output, form, **options)
    return output.getvalue()
