"""A place to run the engine in: a real journal, real commands, and a pipeline that does what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Body, Event
from fabula.engine.paces import PaceBook
from fabula.engine.pipeline import Outputs, Retries, Stage, StageContext
from fabula.engine.ports import Address, EventLog, GenerationId, JobQueue
from fabula.engine.run import Workshop
from fabula.engine.worker import Worker, WorkerSettings
from fabula.journal import Journal, subjects
from fabula.journal.ushering import consumer_name
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import STORY
from fabula.rpc.service import GenerationService
from fabula.rpc.stores import Call, Stores, StreamMethod, UnaryMethod
from fabula.rpc.tails import Tails
from services.story.codec import StoryCodec
from services.story.domain import Brief, Chapter, Order
from tests.log_rules import assert_rules
from tests.nats import LEASE_SECONDS, eventually

PATIENCE_SECONDS = 20.0
"""How long a test waits for what must come, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Script:
    """A pipeline whose stages the test has written."""

    stages: Sequence[Stage]
    model: str = "script"

    def plan(self, request: object, outputs: Outputs) -> Sequence[Stage]:
        """Return the stages; they never change."""
        return self.stages


class Scene:
    """A stage that tells when it is entered, and goes on when the test lets it.

    Args:
        name: The stage's name.
        pieces: What it writes, in order; it waits for `let` before each and before its end.
        stage: Further fields of the stage.
    """

    def __init__(self, name: str, *pieces: str, **stage: Any) -> None:
        self.pieces = pieces
        self.entered = 0
        self.news = asyncio.Event()
        self.written_before: list[str] = []
        self._let = asyncio.Semaphore(0)
        self.stage = Stage(name, self._run, ("Writer",), units=len(pieces), **stage)

    def let(self, turns: int = 1000) -> None:
        """Let the stage go on."""
        for _ in range(turns):
            self._let.release()

    async def _run(self, context: StageContext, _outputs: Outputs) -> Chapter:
        self.entered += 1
        self.written_before.append(context.written)
        self.news.set()
        for step, piece in enumerate(self.pieces, 1):
            if step > len(context.written.split()):
                await self._let.acquire()
                context.text(piece, step=step)
        await self._let.acquire()
        return Chapter(self.entered, self.stage.name, context.written)

    async def is_entered(self, times: int = 1) -> None:
        """Return when the stage has been entered so often."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.entered < times:
                self.news.clear()
                await self.news.wait()


def quick(name: str, output: object = None, **stage: Any) -> Stage:
    """Return a stage that is done at once."""

    async def run(_context: StageContext, _outputs: Outputs) -> object:
        return output

    return Stage(name, run, **stage)


def failing(name: str, *errors: Exception, retries: Retries | None = None, **stage: Any) -> Stage:
    """Return a stage that raises these errors, one each time it is entered, and then is done."""
    left = list(errors)

    async def run(context: StageContext, _outputs: Outputs) -> Chapter:
        context.text("x")
        if left:
            raise left.pop(0)
        return Chapter(1, name, context.written)

    return Stage(name, run, retries=retries or Retries(2, 0.01), **stage)


class _Contract:
    """Accepts anything. Implements `fabula.rpc.service.Contract`."""

    def __init__(self, kind: str) -> None:
        self.kind = replace(STORY, name=kind)
        self.codec = ProtoCodec(self.kind, StoryCodec())

    async def accept(self, call: Call, request: Any, address: Address, stores: Stores) -> Order:
        """Order what is asked for."""
        return Order(Brief(request.story.premise))

    def unary(self, stores: Stores) -> Mapping[str, UnaryMethod]:
        """Offer nothing more."""
        return {}

    def streaming(self, stores: Stores) -> Mapping[str, StreamMethod]:
        """Offer nothing more."""
        return {}


@dataclass
class Workplace:
    """One kind of generation: its commands, its workers, its logs."""

    kind: str
    journal: Journal
    service: GenerationService
    codec: ProtoCodec
    call: Call = field(default_factory=lambda: Call(f"owner {uuid4()}"))

    async def start(self, premise: str = "A fox") -> Address:
        """Start a generation."""
        request = pb.StartGenerationRequest(request_id=uuid4().hex, story=pb.StoryRequest(premise=premise))
        response = await self.service.start(self.call, request)
        return Address(self.kind, self.call.owner, GenerationId(response.generation.id))

    async def command(self, name: str, address: Address, **fields: str) -> Any:
        """Send a command as its servicer would: "cancel", "pause", "resume", "retry" or "delete"."""
        request = getattr(pb, f"{name.title()}GenerationRequest")(generation_id=address.id, **fields)
        return await getattr(self.service, name)(self.call, request)

    async def events(self, address: Address) -> list[Event]:
        """Return the whole log, having checked the rules on it."""
        async with aclosing(self.journal.events.read(address)) as records:
            log = [self.codec.decode(entry) async for record in records for entry in record.entries]
        assert_rules(log)
        return log

    async def until(self, address: Address, holds: Callable[[Event], bool]) -> list[Event]:
        """Wait for an event; return the log up to it, having checked the rules on it."""
        log: list[Event] = []
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(self._follow(address)) as events:
            async for event in events:
                log.append(event)
                if holds(event):
                    break
        assert_rules(log)
        return log

    async def until_body(self, address: Address, *kinds: type[Body], after: int = 0) -> list[Event]:
        """Wait for an event of one of these kinds behind a sequence; return the log up to it."""
        return await self.until(address, lambda event: event.sequence > after and isinstance(event.body, kinds))

    async def until_end(self, address: Address) -> list[Event]:
        """Wait for the end of the run; return the log up to it."""
        return await self.until(address, lambda event: event.state.terminal)

    async def _follow(self, address: Address) -> AsyncGenerator[Event, None]:
        async with aclosing(self.journal.events.follow(address)) as records:
            async for record in records:
                for entry in record.entries:
                    yield self.codec.decode(entry)

    async def queue_is_empty(self) -> bool:
        """Return True as soon as no job waits and none is in anybody's hand; fail if that does not come."""
        await self.journal.queue.depth(self.kind)  # declares the queue, where nobody has asked for a job yet

        async def empty() -> bool:
            return await self.jobs() == (0, 0)

        await eventually(empty, PATIENCE_SECONDS)
        return True

    async def jobs(self) -> tuple[int, int]:
        """Return how many jobs wait, and how many are in somebody's hand."""
        question = f"CONSUMER.INFO.{subjects.EVENTS_STREAM}.{consumer_name(self.kind)}"
        info = await self.journal.link.ask(question, {})
        stored = await self.journal.link.ask(
            f"STREAM.INFO.{subjects.QUEUE_STREAM}", {"subjects_filter": subjects.tickets(self.kind)}
        )
        tickets = len(stored["state"].get("subjects") or {})
        waiting = await self.journal.queue.depth(self.kind)
        return waiting, tickets + info["num_ack_pending"] - waiting

    def worker(
        self,
        *stages: Stage,
        name: str = "worker",
        slots: int = 4,
        lease_seconds: float = LEASE_SECONDS,
        log: EventLog | None = None,
        queue: JobQueue | None = None,
        **shop: Any,
    ) -> Worker:
        """Return a worker for these stages; it works when it is run."""
        journal = self.journal
        parts: dict[str, Any] = {
            "pipeline": Script(stages),
            "codec": self.codec,
            "blobs": journal.blobs,
            "previews": journal.previews,
        }
        workshop = Workshop(worker=name, log=log or journal.events, **(parts | shop))
        settings = WorkerSettings(slots, lease_seconds)
        return Worker(self.kind, workshop, queue or journal.queue, journal.records, settings)

    @asynccontextmanager
    async def working(self, *stages: Stage, **options: Any) -> AsyncIterator[Hand]:
        """Run a worker while the block lasts; leave it when it has stopped cleanly, unless it was killed."""
        worker = self.worker(*stages, **options)
        hand = Hand(worker, asyncio.create_task(worker.run()))
        try:
            yield hand
        finally:
            await hand.stop()


@dataclass
class Hand:
    """A worker at work."""

    worker: Worker
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """Stop it as SIGTERM does, and see that it ends without an error."""
        self.worker.stop()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.task

    async def kill(self) -> None:
        """Let it vanish in the middle of whatever it does: nothing is written, nothing handed back."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def open_workplace(journal: Journal) -> AsyncIterator[Workplace]:
    """Open a workplace with a queue of its own."""
    kind = f"test{uuid4().hex[:10]}"
    contract = _Contract(kind)
    async with AsyncExitStack() as stack:
        paces = PaceBook(journal.records, kind)
        tails = await stack.enter_async_context(
            Tails(journal.events, journal.previews, journal.queue, paces, contract.codec)
        )
        service = GenerationService(contract, Stores(journal.events, journal.blobs, journal.records), tails)
        yield Workplace(kind, journal, service, contract.codec)


def names(log: Sequence[Event]) -> list[str]:
    """Return the kinds of a log's events."""
    return [type(event.body).__name__ for event in log]


def lifecycle(log: Sequence[Event]) -> list[str]:
    """Return the kinds of a log's events, text and progress left out."""
    return [name for name in names(log) if name not in ("TextDelta", "Advanced")]
