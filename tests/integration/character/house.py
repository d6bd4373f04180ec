"""A character house for tests: the real gRPC server, the real worker, a real NATS server, and callers with tokens."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
from PIL import Image

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.engine.events import Event
from fabula.engine.ports import Address, GenerationId
from fabula.engine.worker import WorkerSettings
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.records import JetStreamRecords
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import CHARACTER
from fabula.rpc.server import Listen
from fabula.runtime import Stop, server, worker
from services.character.avatars import AVATARS, AvatarTask, task_of
from services.character.contract import CharacterContract
from services.character.pipeline import CharacterPipeline
from services.character.stages import Tools
from tests.integration.story.house import SECRET, free_port, running, token
from tests.log_rules import assert_cuts, assert_rules
from tests.unit.character.doubles import FailingReader, HeldMaker

Spoil = Callable[[JetStreamRecords], JetStreamRecords]

PATIENCE_SECONDS = 60.0
"""How long a test waits for what must come: the machine may be busy."""

KEEP = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Customer:
    """One caller of the service, with characters of their own."""

    client: Client
    caller: Caller
    owner: str = ""

    async def call(self, rpc: str, **fields: Any) -> Any:
        """Make a single call."""
        return await self.client.call(rpc, CHARACTER.request(rpc)(**fields), self.caller)

    async def start(self, description: str = "a brave knight of forty", request_id: str = "", **fields: Any) -> str:
        """Ask for a character; return its id."""
        wanted = pb.CharacterRequest(**{"description": description, "seed": 7, **fields})
        response = await self.call("StartGeneration", character=wanted, request_id=request_id)
        id_: str = response.generation.id
        return id_

    async def get(self, id_: str) -> Any:
        """Return the generation with its request, and what there is of it."""
        return await self.call("GetGeneration", generation_id=id_)

    async def kept(self, id_: str) -> Any:
        """Return the character as the library has it."""
        return (await self.call("GetCharacter", character_id=id_)).character

    async def listed(self, **fields: Any) -> list[str]:
        """Return the ids of the first page of the library."""
        return [one.id for one in (await self.call("ListCharacters", **fields)).characters]

    async def watch(self, **fields: Any) -> AsyncGenerator[Any, None]:
        """Watch on one connection."""
        request = pb.WatchProgressRequest(**fields)
        async with aclosing(self.client.stream("WatchProgress", request, self.caller)) as stream:
            async for data in stream:
                yield pb.WatchProgressResponse.FromString(data)

    async def watched(self, id_: str, **fields: Any) -> list[Any]:
        """Watch to the end; return everything that came."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [response async for response in self.watch(generation_id=id_, **fields)]

    async def until(self, id_: str, holds: Callable[[Any], bool], **fields: Any) -> list[Any]:
        """Watch until a response of which this holds; return all up to it."""
        seen: list[Any] = []
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(self.watch(generation_id=id_, **fields)) as responses:
            async for response in responses:
                seen.append(response)
                if holds(response):
                    return seen
        raise AssertionError(f"it did not come: {[one.event.WhichOneof('body') for one in seen]}")

    async def until_written(self, id_: str, characters: int) -> None:
        """Wait until so many characters of the history are in the log."""
        await self.until(
            id_, lambda one: one.event.text_delta.offset + len(one.event.text_delta.text) >= characters > 0
        )

    async def reaches(self, id_: str, *states: gen.State.ValueType) -> Any:
        """Wait until the generation is in one of these states; return it with all there is."""
        await self.until(id_, lambda one: one.event.state in states, snapshot=True)
        return await self.get(id_)

    async def made(self, *args: Any, **fields: Any) -> Any:
        """Ask for a character and wait for it; return it as it was made."""
        return await self.result(await self.start(*args, **fields))

    async def result(self, id_: str) -> Any:
        """Wait for the end, which must be a success; return the character as it was made."""
        found = await self.reaches(id_, gen.STATE_SUCCEEDED, gen.STATE_FAILED, gen.STATE_CANCELLED)
        assert found.generation.state == gen.STATE_SUCCEEDED, found.generation.failure
        return found.character


@dataclass(slots=True)
class House:
    """A server on a free port, and what stands behind it.

    Attributes:
        settings: How its processes reach the journal.
        journal: A journal of the test's own.
        port: Where the server listens.
        channel: To the server.
        maker: Who makes characters up.
        reader: Who looks at pictures.
        customers: All callers there were.
    """

    settings: JournalSettings
    journal: Journal
    port: int
    channel: grpc.aio.Channel
    maker: HeldMaker
    reader: FailingReader
    customers: list[Customer] = field(default_factory=list)

    def customer(self, name: str = "") -> Customer:
        """Return a caller with a valid token; a new one unless named."""
        owner = name or f"user {uuid4()}"
        customer = Customer(Client(CHARACTER, self.channel), Caller(token(owner)), owner)
        self.customers.append(customer)
        return customer

    def renew(self) -> None:
        """Let everything go on that a test has left waiting, and begin with doubles as new."""
        self.maker.go.set()
        for double, fresh in ((self.maker, HeldMaker()), (self.reader, FailingReader())):
            for name in fresh.__slots__:
                setattr(double, name, getattr(fresh, name))

    async def log(self, customer: Customer, id_: str) -> list[Event]:
        """Return a generation's log, having checked all rules on it."""
        codec = CharacterContract().codec
        log: list[Event] = []
        async with aclosing(self.journal.events.read(address_of(customer, id_))) as records:
            async for record in records:
                log += [codec.decode(entry) for entry in record.entries]
        assert_rules(log)
        assert_cuts(log)
        return log

    async def check_all(self) -> None:
        """Check the rules on the log of every generation that its customers have started."""
        for customer in self.customers:
            for started in await self.journal.events.listing("character", customer.owner):
                await self.log(customer, started.address.id)

    async def tasks(self, id_: str) -> list[AvatarTask]:
        """Return what is to be done for a character's avatar: one task, or none."""
        kept = await self.journal.records.all(AVATARS)
        return [task_of(stored.value) for key, stored in kept.items() if key.endswith(f".{id_}")]

    async def blobs(self, id_: str) -> list[str]:
        """Return the names of the blobs of a generation that are there, without their path."""
        topics = await self.journal.blobs._topics("fabula.blob.>")
        names = [_name(topic) for topic in topics if topic.endswith(".m")]
        return sorted(name.removeprefix(f"character/{id_}/") for name in names if name.startswith(f"character/{id_}/"))

    def working(self, spoil: Spoil = lambda records: records) -> Any:
        """Run one more worker while the block lasts, perhaps one to whom the store of records does not do its duty."""
        return running(self.part(spoil), self.settings)

    @asynccontextmanager
    async def killed(self) -> AsyncIterator[None]:
        """Run one more worker while the block lasts, and let it die without a word at its end."""
        async with connect(self.settings) as journal:
            working = asyncio.create_task(self.part()(journal, Stop()))
            try:
                yield
            finally:
                working.cancel()
                await asyncio.wait([working])

    def part(self, spoil: Spoil = lambda records: records) -> Any:
        """Return a worker of this house."""

        async def part(journal: Journal, stop: Stop) -> None:
            @asynccontextmanager
            async def open_pipeline() -> AsyncIterator[CharacterPipeline]:
                yield CharacterPipeline(Tools(self.maker, self.reader, spoil(journal.records), KEEP))

            await worker(CharacterContract().codec, open_pipeline, WorkerSettings(4, 1.0))(journal, stop)

        return part


def _name(topic: str) -> str:
    return "/".join(bytes.fromhex(step[1:]).decode() for step in topic.split(".")[2:-1])


def address_of(customer: Customer, id_: str) -> Address:
    """Return where a customer's generation lies."""
    return Address("character", customer.owner, GenerationId(id_))


@asynccontextmanager
async def open_house(
    nats_url: str, *, working: bool = True, images: Client | None = None, paints: bool = True
) -> AsyncIterator[House]:
    """Run a server with authentication and, if wanted, a worker."""
    settings = JournalSettings(url=nats_url, name="test", lease_seconds=1.0, idle_check_seconds=0.2)
    listen = Listen(port=free_port(), drain_seconds=1.0)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(connect(settings))
        part = server(CharacterContract(images, paints=paints), listen, Authenticator(SECRET), Issuer(SECRET))
        await stack.enter_async_context(running(part, settings))
        channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{listen.port}"))
        await asyncio.wait_for(channel.channel_ready(), 10)
        house = House(settings, journal, listen.port, channel, HeldMaker(), FailingReader())
        if working:
            await stack.enter_async_context(house.working())
        yield house
        house.maker.go.set()
        await house.check_all()


def bodies(responses: list[Any]) -> list[str]:
    """Return the names of the events' bodies."""
    return [response.event.WhichOneof("body") for response in responses]


def picture_file(form: str = "PNG", size: tuple[int, int] = (48, 32), colour: str = "teal", **options: Any) -> bytes:
    """Return a picture's file."""
    output = io.BytesIO()
    Image.new("RGB", size, colour).save(output, form, **options)
    return output.getvalue()
