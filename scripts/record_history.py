"""Record histories for the tests: real generations of the real story service, on a NATS server of their own.

    .venv/bin/python scripts/record_history.py [NAME …]

Writes `tests/histories/NAME.json` and `NAME.snapshot.json`; with no name, all of them. `tests/histories/README.md`
tells when that is right.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parent.parent))  # the tests are no part of the package

from fabula.api.story.v1 import story_pb2 as pb
from fabula.backends.text_settings import TransformersSettings
from fabula.backends.transformers_text import TransformersText
from fabula.engine.events import Body, Cancelled, Claimed, Event, Failed, Paused, Released, State, Succeeded, TextDelta
from fabula.engine.paces import PaceBook
from fabula.engine.ports import Address, GenerationId
from fabula.engine.run import Workshop
from fabula.engine.worker import Worker, WorkerSettings
from fabula.errors import InvalidRequest, ModelCrashed
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.service import GenerationService
from fabula.rpc.stores import Call, Stores
from fabula.rpc.tails import Tails
from services.story.contract import StoryContract
from services.story.domain import Brief, Chapter, Finding, Outline, Review
from services.story.grammar.author import GrammarAuthor
from services.story.pipeline import StoryPipeline
from services.story.prompted import PromptedAuthor
from tests.golden import record
from tests.tiny_models import build_tiny_text_model

OWNER = "ada"
WORDS_PER_SECOND = 200
PREMISE = "Mara, a lighthouse keeper, finds a map in a bottle"


@dataclass(frozen=True, slots=True)
class Studio:
    """The story service on a journal of its own."""

    journal: Journal
    service: GenerationService
    contract: StoryContract
    url: str

    async def start(self, **story: Any) -> Address:
        """Start a story."""
        defaults: dict[str, Any] = {"premise": PREMISE, "words": 50, "seed": 7, "revisions": 0}
        asked = pb.StoryRequest(**(defaults | story))
        request = pb.StartGenerationRequest(request_id=uuid4().hex, story=asked)
        response = await self.service.start(Call(OWNER), request)
        return Address("story", OWNER, GenerationId(response.generation.id))

    async def ask(self, name: str, address: Address, **fields: str) -> None:
        """Send a command."""
        request = getattr(pb, f"{name.title()}GenerationRequest")(generation_id=address.id, **fields)
        await getattr(self.service, name)(Call(OWNER), request)

    async def until(self, address: Address, holds: Callable[[Event], bool]) -> Event:
        """Wait for an event."""
        async with aclosing(self.journal.events.follow(address)) as records:
            async for record in records:
                for entry in record.entries:
                    event = self.contract.codec.decode(entry)
                    if holds(event):
                        return event
        raise AssertionError("a log is followed for ever")

    async def until_body(self, address: Address, *kinds: type[Body]) -> None:
        """Wait for an event of one of these kinds."""
        await self.until(address, lambda event: isinstance(event.body, kinds))

    async def until_writing(self, address: Address) -> None:
        """Wait until some sentences are written."""
        await self.until(address, lambda event: isinstance(event.body, TextDelta) and event.body.offset > 60)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a worker process, `python -m services.story worker`; end it as SIGTERM does."""
        environment = os.environ | {
            "FABULA_NATS_URL": self.url,
            "FABULA_GRAMMAR_WORDS_PER_SECOND": str(WORDS_PER_SECOND),
            "FABULA_LOG_LEVEL": "warning",
        }
        command = (sys.executable, "-m", "services.story", "worker")
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    @asynccontextmanager
    async def worker_with(self, author: Any) -> AsyncIterator[None]:
        """Run a worker in this process, with an author of our own."""
        journal = self.journal
        shop = Workshop(
            "here", StoryPipeline(author), self.contract.codec, journal.events, journal.blobs, journal.previews
        )
        worker = Worker("story", shop, journal.queue, journal.records, WorkerSettings())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            yield
            worker.stop()

    async def record(self, address: Address, name: str) -> None:
        """Write the log, and its snapshot."""
        print(await record(self.journal.events, address, name))


class CrashingAuthor(GrammarAuthor):
    """The bundled author as a model that cannot continue and whose process dies once, in mid-sentence."""

    def __init__(self) -> None:
        super().__init__(WORDS_PER_SECOND)
        self._crashed = False

    @property
    def continues(self) -> bool:
        """Deny that it can go on in the middle."""
        return False

    async def chapter(
        self,
        brief: Brief,
        outline: Outline,
        number: int,
        *,
        earlier: Sequence[Chapter] = (),
        notes: Sequence[Finding] = (),
        attempt: int = 0,
        written: str = "",
    ) -> AsyncGenerator[str, None]:
        """Write, and die behind the twelfth word."""
        del written
        words = 0
        pieces = super().chapter(brief, outline, number, earlier=earlier, notes=notes, attempt=attempt)
        async with aclosing(pieces) as stream:
            async for piece in stream:
                yield piece
                words += 1
                if words > 12 and not self._crashed:
                    self._crashed = True
                    raise ModelCrashed("the model's process died (exit code -9); it has been started again")


class BlockedAuthor(GrammarAuthor):
    """The bundled author, who cannot write a word of the second chapter before the first one was planned anew."""

    def __init__(self) -> None:
        super().__init__(WORDS_PER_SECOND)
        self._plans = 0

    async def outline(self, brief: Brief, **rest: Any) -> Outline:
        """Plan."""
        self._plans += 1
        return await super().outline(brief, **rest)

    async def chapter(self, brief: Brief, outline: Outline, number: int, **rest: Any) -> AsyncGenerator[str, None]:
        """Write, or fail for good."""
        if self._plans == 1 and number > 1:
            raise InvalidRequest("the plan leads nowhere")
        async with aclosing(super().chapter(brief, outline, number, **rest)) as stream:
            async for piece in stream:
                yield piece


class StrictAuthor(GrammarAuthor):
    """The bundled author with an opinion: it rejects every first draft."""

    def __init__(self) -> None:
        super().__init__(WORDS_PER_SECOND)
        self._reviewed = False

    async def review(self, brief: Brief, outline: Outline, draft: Any) -> Review:
        """Reject the first time."""
        del brief, outline, draft
        if self._reviewed:
            return Review(True)
        self._reviewed = True
        return Review(False, (Finding("opinion", "the beginning is flat: begin with the storm", 1),))


async def success(studio: Studio) -> Address:
    """Record a plain success."""
    async with studio.worker():
        address = await studio.start()
        await studio.until_body(address, Succeeded)
    return address


async def cancelled(studio: Studio) -> Address:
    """Record a cancel in mid-sentence."""
    async with studio.worker():
        address = await studio.start()
        await studio.until_writing(address)
        await studio.ask("cancel", address)
        await studio.until_body(address, Cancelled)
    return address


async def paused(studio: Studio) -> Address:
    """Record a pause, and how another worker goes on after it."""
    async with studio.worker():
        address = await studio.start()
        await studio.until_writing(address)
        await studio.ask("pause", address)
        await studio.until_body(address, Paused)
    await studio.ask("resume", address)
    async with studio.worker():
        await studio.until_body(address, Succeeded)
    return address


async def killed(studio: Studio) -> Address:
    """Record the death of a worker in mid-sentence, and its succession."""
    async with studio.worker() as worker:
        address = await studio.start()
        await studio.until_writing(address)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    async with studio.worker():
        await studio.until_body(address, Succeeded)
    return address


async def handed_back(studio: Studio) -> Address:
    """Record a worker that shuts down in mid-sentence, and its succession."""
    async with studio.worker():
        address = await studio.start()
        await studio.until_writing(address)
    await studio.until_body(address, Released)
    async with studio.worker():
        await studio.until_body(address, Succeeded)
    return address


async def retried(studio: Studio) -> Address:
    """Record a stage that fails because its source text is gone, and a retry when it is back."""
    source = pb.Source(name="bottle.txt", text="Mara found a map in a bottle. The keeper of the lighthouse laughed.")
    address = await studio.start(premise="", source=source)
    opened = await studio.until(address, lambda _: True)
    order: Any = opened.body.request if hasattr(opened.body, "request") else None
    text = await studio.journal.blobs.get(order.source.blob)
    await studio.journal.blobs.delete_all(order.source.blob)
    async with studio.worker():
        await studio.until_body(address, Failed)
        await studio.journal.blobs.put(order.source.blob, text, "text/plain; charset=utf-8")
        await studio.ask("retry", address)
        await studio.until(address, lambda event: event.run == 2 and event.state is State.SUCCEEDED)
    return address


async def revised(studio: Studio) -> Address:
    """Record a draft that the critic rejects and the writer revises."""
    async with studio.worker_with(StrictAuthor()):
        address = await studio.start(revisions=1)
        await studio.until_body(address, Succeeded)
    return address


async def restarted(studio: Studio) -> Address:
    """Record a model whose process dies in mid-sentence: the stage is tried again, and its text so far void."""
    async with studio.worker_with(CrashingAuthor()):
        address = await studio.start()
        await studio.until_body(address, Succeeded)
    return address


async def retried_earlier(studio: Studio) -> Address:
    """Record a second chapter that fails, and a retry that begins with the plan."""
    async with studio.worker_with(BlockedAuthor()):
        address = await studio.start(chapters=2)
        await studio.until_body(address, Failed)
        await studio.ask("retry", address, from_stage="outline")
        await studio.until_body(address, Succeeded)
    return address


async def poisoned(studio: Studio) -> Address:
    """Record a job whose workers are killed, one after the other, until it is given up."""
    address = await studio.start(words=200)
    for attempt in (1, 2, 3):
        async with studio.worker() as worker:
            await studio.until(address, partial(_writes_at, Claim(attempt)))
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
    async with studio.worker():
        await studio.until_body(address, Failed)
    return address


@dataclass(slots=True)
class Claim:
    """A worker's turn that is waited for.

    Attributes:
        attempt: Which one.
        seen: Whether it has begun.
    """

    attempt: int
    seen: bool = False


def _writes_at(claim: Claim, event: Event) -> bool:
    """Tell whether an event is text of that turn."""
    claim.seen |= isinstance(event.body, Claimed) and event.body.attempt == claim.attempt
    return claim.seen and isinstance(event.body, TextDelta)


async def host_killed(studio: Studio) -> Address:
    """Record a real model, a tiny one, whose process is killed in mid-chapter: its text goes on where it was."""
    with tempfile.TemporaryDirectory() as folder:
        build_tiny_text_model(Path(folder) / "tiny", window=16_384, fond_of='" ].')
        model = TransformersText(TransformersSettings(str(Path(folder) / "tiny"), is_folder=True, device="cpu"))
        async with studio.worker_with(PromptedAuthor(model)):
            address = await studio.start()
            await studio.until_writing(address)
            os.kill(model.state.pid or 0, signal.SIGKILL)
            await studio.until_body(address, Succeeded)
        await model.close()
    return address


SCENES: dict[str, Callable[[Studio], Awaitable[Address]]] = {
    scene.__name__: scene
    for scene in (
        success,
        cancelled,
        paused,
        killed,
        handed_back,
        retried,
        revised,
        restarted,
        retried_earlier,
        poisoned,
        host_killed,
    )
}


async def main(names: Sequence[str]) -> None:
    """Record the named scenes."""
    contract = StoryContract()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedServer(Path(folder)) as server,
            connect(JournalSettings(url=server.url, name="recorder")) as journal,
            Tails(
                journal.events, journal.previews, journal.queue, PaceBook(journal.records, "story"), contract.codec
            ) as tails,
        ):
            service = GenerationService(contract, Stores(journal.events, journal.blobs, journal.records), tails)
            studio = Studio(journal, service, contract, server.url)
            for name in names or SCENES:
                async with asyncio.timeout(120):
                    await studio.record(await SCENES[name](studio), name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
