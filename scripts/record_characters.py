"""Record histories of characters, and of a story with characters of the library: real processes on a NATS server.

    .venv/bin/python scripts/record_characters.py [NAME …]

Writes `tests/histories/NAME.json` and `NAME.snapshot.json`; with no name, all of them. `tests/histories/README.md`
tells when that is right, `record_history.py` records all other stories.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the tests are no part of the package

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2
from fabula.engine.ports import Address, GenerationId
from fabula.errors import FabulaError
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import STORY
from tests.golden import record
from tests.integration.character.house import Customer, picture_file
from tests.integration.character.processes import LOCAL, Process, process
from tests.integration.story.house import free_port

PACE = {"FABULA_GRAMMAR_WORDS_PER_SECOND": "100"}
DESCRIPTION = "a brave knight of forty, afraid of geese"


@dataclass(frozen=True, slots=True)
class Studio:
    """A character server, and the journal behind it."""

    journal: Journal
    customer: Customer
    url: str
    address: str
    folder: Path

    def worker(self) -> AbstractAsyncContextManager[Process]:
        """Run a worker process while the block lasts."""
        return process("worker", self.url, self.folder, **PACE)

    async def record(self, address: Address, name: str) -> None:
        """Write the log, and its snapshot."""
        print(await record(self.journal.events, address, name))


async def character_success(studio: Studio) -> Address:
    """Record a character from a line and a picture; its avatar is queued."""
    async with studio.worker():
        id_ = await studio.customer.start(DESCRIPTION, picture={"name": "knight.png", "data": picture_file()})
        await studio.customer.result(id_)
    return _character(id_)


async def character_killed(studio: Studio) -> Address:
    """Record the death of a worker in mid-history: another process goes on where it was."""
    async with studio.worker() as worker:
        id_ = await studio.customer.start(DESCRIPTION)
        await studio.customer.until_written(id_, 200)
        await worker.end(signal.SIGKILL)
    async with studio.worker():
        await studio.customer.result(id_)
    return _character(id_)


async def character_cancelled(studio: Studio) -> Address:
    """Record a cancel in mid-history."""
    async with studio.worker():
        id_ = await studio.customer.start(DESCRIPTION)
        await studio.customer.until_written(id_, 200)
        await studio.customer.call("CancelGeneration", generation_id=id_)
        await studio.customer.reaches(id_, gen.STATE_CANCELLED)
    return _character(id_)


async def character_retried(studio: Studio) -> Address:
    """Record a stage that fails because the picture is gone, and a retry when it is back."""
    customer, blobs = studio.customer, studio.journal.blobs
    id_ = await customer.start("", picture={"name": "knight.png", "data": picture_file()})
    name = (await customer.get(id_)).request.picture.stored.name
    picture = await blobs.get(name)
    await blobs.delete_all(name)
    async with studio.worker():
        await customer.reaches(id_, gen.STATE_FAILED)
        await blobs.put(name, picture, "image/png")
        await customer.call("RetryGeneration", generation_id=id_)
        await customer.reaches(id_, gen.STATE_SUCCEEDED)
    return _character(id_)


async def cast(studio: Studio) -> Address:
    """Record a story with two characters of the library, one of them under another name."""
    async with studio.worker():
        people = [await studio.customer.start(text) for text in (DESCRIPTION, "Ida, a potter of thirty")]
        for id_ in people:
            await studio.customer.result(id_)
    named = [story_pb2.Character(id=people[0]), story_pb2.Character(id=people[1], name="Ottilie")]
    asked = story_pb2.StoryRequest(premise="They find a map in a bottle", words=50, seed=7, revisions=0)
    asked.characters.extend(named)
    async with _stories(studio) as client:
        started = await client.call("StartGeneration", story_pb2.StartGenerationRequest(story=asked), Caller())
        id_ = started.generation.id
        async with aclosing(client.watch(story_pb2.WatchProgressRequest(generation_id=id_), Caller())) as responses:
            async for _ in responses:
                pass
    return Address("story", LOCAL, GenerationId(id_))


@asynccontextmanager
async def _stories(studio: Studio) -> AsyncIterator[Client]:
    """Run the story service, server and worker, while the block lasts."""
    port = free_port()
    environment = (
        os.environ
        | PACE
        | {
            "FABULA_NATS_URL": studio.url,
            "FABULA_STORY_PORT": str(port),
            "FABULA_CHARACTER_ADDRESS": studio.address,
            "FABULA_LOG_LEVEL": "warning",
        }
    )
    service = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.story", env=environment)
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            client = Client(STORY, channel)
            await _until_answering(client)
            yield client
    finally:
        service.terminate()
        await service.wait()


async def _until_answering(client: Client) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await client.call("ListGenerations", story_pb2.ListGenerationsRequest(), Caller())
            except FabulaError:
                await asyncio.sleep(0.1)
            else:
                return


def _character(id_: str) -> Address:
    return Address("character", LOCAL, GenerationId(id_))


SCENES: dict[str, Callable[[Studio], Awaitable[Address]]] = {
    scene.__name__: scene
    for scene in (character_success, character_killed, character_cancelled, character_retried, cast)
}


async def main(names: Sequence[str]) -> None:
    """Record the named scenes."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedServer(Path(folder) / "nats") as server,
            connect(JournalSettings(url=server.url, name="recorder")) as journal,
            process("server", server.url, Path(folder)) as characters,
        ):
            address = f"127.0.0.1:{_port_of(characters)}"
            studio = Studio(journal, characters.customer, server.url, address, Path(folder))
            for name in names or SCENES:
                async with asyncio.timeout(120):
                    await studio.record(await SCENES[name](studio), name)


def _port_of(server: Process) -> int:
    """Return where it listens: its log is named after that."""
    return int(server.log.stem.rpartition("-")[2])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
