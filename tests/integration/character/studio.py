"""Characters and pictures side by side for tests: two real servers and workers, a keeper, one NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fabula.api.character.v1 import character_pb2 as pb
from fabula.journal import Journal
from fabula.rpc.client import Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import IMAGE
from fabula.rpc.stores import Stores
from fabula.runtime import Stop
from services.character.contract import CharacterContract
from services.character.janitor import Janitor
from services.character.keeper import AvatarKeeper, keeping
from tests.integration.character.house import PATIENCE_SECONDS, Customer, House, open_house
from tests.integration.image import house as image_house
from tests.integration.story.house import SECRET, running
from tests.unit.image.sketches import Sketcher

LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Studio:
    """Where faces are painted.

    Attributes:
        house: Where characters are made.
        images: Where pictures are painted.
        model: What they are painted with.
    """

    house: House
    images: image_house.House
    model: Sketcher

    def keeper(self, secret: str = SECRET) -> Any:
        """Run one more keeper while the block lasts."""
        return running(keeper_part(self.images.port, secret), self.house.settings)

    def viewer(self, ida: Customer) -> image_house.Customer:
        """Return a character's owner, as the image service knows them."""
        return image_house.Customer(Client(IMAGE, self.images.channel), ida.caller, ida.owner)

    def janitor(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Janitor:
        """Return a janitor with a clock of its own."""
        return Janitor(stores_of(self.house.journal), CharacterContract().codec, clock)

    async def avatar(self, ida: Customer, id_: str, *states: int) -> Any:
        """Wait until a character's avatar is in one of these states; return it."""
        return await until_avatar(ida, id_, *states)

    async def watch(self, ida: Customer, id_: str, **cursors: Any) -> AsyncGenerator[Any, None]:
        """Watch a character and its avatar on one connection."""
        request = pb.WatchCharacterRequest(character_id=id_, **cursors)
        async with aclosing(ida.client.stream("WatchCharacter", request, ida.caller)) as stream:
            async for data in stream:
                yield pb.WatchCharacterResponse.FromString(data)

    async def watched(self, ida: Customer, id_: str, **cursors: Any) -> list[Any]:
        """Watch to the end; return everything that came."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [response async for response in self.watch(ida, id_, **cursors)]

    async def settled(self, id_: str) -> None:
        """Wait until nothing is to be done any more for a character's avatar."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if all(task.settled for task in await self.house.tasks(id_)):
                    return
                await asyncio.sleep(0.02)


async def until_avatar(ida: Customer, id_: str, *states: int, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until a character's avatar is in one of these states; return it."""
    async with asyncio.timeout(seconds):
        while True:
            avatar = (await ida.kept(id_)).avatar
            if avatar.state in states:
                return avatar
            await asyncio.sleep(0.02)


def stores_of(journal: Journal) -> Stores:
    """Return the stores of a journal."""
    return Stores(journal.events, journal.blobs, journal.records)


def keeper_part(port: int, secret: str = SECRET) -> Any:
    """Return a keeper that calls the image service at this port."""

    async def part(journal: Journal, stop: Stop) -> None:
        codec = CharacterContract().codec
        async with open_channel(f"127.0.0.1:{port}") as channel:
            keeper = AvatarKeeper(stores_of(journal), codec, Client(IMAGE, channel), Issuer(secret), LOOK_SECONDS)
            async with keeping(keeper):
                await stop.wait()

    return part


@asynccontextmanager
async def open_studio(nats_url: str) -> AsyncIterator[Studio]:
    """Run an image service with a double of a model, a house of characters beside it, and a keeper."""
    async with AsyncExitStack() as stack:
        model = Sketcher()
        images = await stack.enter_async_context(image_house.open_house(nats_url, model))
        house = await stack.enter_async_context(open_house(nats_url, images=Client(IMAGE, images.channel)))
        studio = Studio(house, images, model)
        await stack.enter_async_context(studio.keeper())
        yield studio
        model.go.set()
