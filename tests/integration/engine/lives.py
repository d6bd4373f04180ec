"""One generation and all who have to do with it: whole turns of real workers, each of which does what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import (
    CancelRequested,
    Claimed,
    Event,
    PauseRequested,
    Pending,
    Resumed,
    StageFinished,
    State,
    TextDelta,
)
from fabula.engine.forecast import Forecast
from fabula.engine.history import History
from fabula.engine.pipeline import Outputs, Retries, Stage, StageContext
from fabula.engine.ports import Address, Entry, EventLog, Record, Tag
from fabula.engine.run import Claim, Outcome, Run, Workshop
from fabula.engine.writer import LogEnd
from fabula.errors import Conflict, InvalidRequest, ModelCrashed, Unavailable
from services.story.domain import Chapter
from tests.integration.engine.workplace import Script, Workplace
from tests.log_rules import assert_cuts

MOST_ACTORS = 3
STAGES = ("outline", "write-1", "write-2")


class Shaky:
    """The log, as one worker reaches it: its appends may be held back, and their answers lost.

    Attributes:
        log: The real log.
        way: Appends pass while it is set.
        holds_end: Whether the last word of a run is to be held back.
        loses_next: Whether the next answer is to be lost.
        held: Appends that wait for the way.
        busy: Whether something is under way, or is about to be repeated.
        done: Counts what was under way.
    """

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.way = asyncio.Event()
        self.way.set()
        self.holds_end = False
        self.loses_next = False
        self.held = 0
        self.done = 0
        self._under_way = 0
        self._repeats = False

    @property
    def busy(self) -> bool:
        """See the class."""
        return bool(self._under_way) or self._repeats

    async def append(self, address: Address, entries: Sequence[Entry], **rest: Any) -> int:
        """Append, when the way is free."""
        self._repeats = False
        if self.holds_end and entries[-1].tag is Tag.TERMINAL:
            self.holds_end = False
            self.way.clear()
        self.held += 1
        try:
            await self.way.wait()
        finally:
            self.held -= 1
        with self._counted():
            revision = await self.log.append(address, entries, **rest)
        if self.loses_next:
            self.loses_next, self._repeats = False, True
            raise Unavailable("the answer is lost")
        return revision

    async def read(self, address: Address, after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Read."""
        with self._counted():
            async with aclosing(self.log.read(address, after_sequence)) as records:
                async for record_ in records:
                    yield record_

    async def last(self, address: Address) -> Record | None:
        """Return the newest record."""
        with self._counted():
            return await self.log.last(address)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.done += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)


@dataclass
class Actor:
    """One worker's turn. Whatever its stages do was ordered."""

    name: str
    log: Shaky
    run: Run | None = None
    task: asyncio.Task[Outcome] | None = None
    orders: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    waits: bool = False

    @property
    def alive(self) -> bool:
        """Whether its turn goes on."""
        return self.task is not None and not self.task.done()

    @property
    def still(self) -> bool:
        """Whether it does nothing before it is told to."""
        at_rest = self.log.held or (self.waits and self.orders.empty())
        return not self.alive or bool(at_rest and not self.log.busy)

    def stages(self) -> list[Stage]:
        """Return what it works by: one stage in the middle goes on where it was, the others begin again."""
        return [
            Stage(name, self._perform, ("Writer",), units=10, retries=Retries(1, 0.0), continues=name == "write-1")
            for name in STAGES
        ]

    async def _perform(self, context: StageContext, _outputs: Outputs) -> Chapter:
        while True:
            self.waits = True
            try:
                order = await self.orders.get()
            finally:
                self.waits = False
            match order:
                case "write":
                    context.text(f"{self.name} ")
                case "advance":
                    context.advance(3, 10, "on and on")
                case "fail":
                    raise InvalidRequest("this cannot be done")
                case "crash":
                    raise ModelCrashed("gone")
                case _:
                    return Chapter(1, self.name, context.written)


class Life:
    """One generation and all who have to do with it.

    Args:
        place: Where.
    """

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.address: Address | None = None
        self.actors: list[Actor] = []
        self.log: list[Event] = []
        self.accepted: list[str] = []
        self.claims = 0

    async def start(self) -> None:
        """Start it."""
        self.address = await self.place.start()

    @property
    def at(self) -> Address:
        """Where it lies."""
        assert self.address is not None
        return self.address

    async def command(self, name: str, stage: str) -> None:
        """Ask for something; it is carried out, was so before, or is refused."""
        fields = {"from_stage": stage} if name == "retry" and stage else {}
        with suppress(Conflict, InvalidRequest):
            await self.place.command(name, self.at, **fields)
            self.accepted.append(name)

    async def commands_at_once(self, names: Sequence[str]) -> None:
        """Ask for several things at the same moment."""
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(self.command(name, ""))

    async def claim(self) -> None:
        """Have another worker take it up, as after a lapsed lease; whoever has it does not know."""
        if sum(actor.alive for actor in self.actors) == MOST_ACTORS:
            return
        history, head, revision = History(), None, 0
        async with aclosing(self.place.journal.events.read(self.at)) as records:
            async for record_ in records:
                for entry in record_.entries:
                    head = self.place.codec.decode(entry)
                    history.apply(head)
                revision = record_.revision
        if head is None or not head.state.workable:
            return
        self.claims += 1
        actor = Actor(f"w{self.claims}", Shaky(self.place.journal.events))
        journal = self.place.journal
        shop = Workshop(
            actor.name, Script(actor.stages()), self.place.codec, actor.log, journal.blobs, journal.previews
        )
        actor.run = Run(shop, Claim(history.snapshot(), LogEnd(self.at, head, revision)), Forecast())
        actor.task = asyncio.create_task(actor.run.execute())
        self.actors.append(actor)

    def actor(self, which: int) -> Actor | None:
        """Return one of those at work."""
        alive = [actor for actor in self.actors if actor.alive]
        return alive[which % len(alive)] if alive else None

    async def kill(self, actor: Actor) -> None:
        """Let a worker vanish."""
        assert actor.task is not None
        actor.task.cancel()
        with suppress(asyncio.CancelledError):
            await actor.task

    async def work(self, which: int, orders: Sequence[str]) -> None:
        """Order something of one of those at work."""
        if (actor := self.actor(which)) is not None:
            for order in orders:
                actor.orders.put_nowait(order)

    async def reach(self, which: int, what: str) -> None:
        """Do something to one of those at work, or to its way to the journal."""
        actor = self.actor(which)
        if actor is None or actor.run is None:
            return
        match what:
            case "hold":
                actor.log.way.clear()
            case "hold the end":
                actor.log.holds_end = True
            case "free":
                actor.log.way.set()
            case "lose":
                actor.log.loses_next = True
            case "look":
                actor.run.look()
            case "release":
                actor.run.release()
            case _:
                await self.kill(actor)

    async def ask_before_the_end(self, which: int, name: str) -> None:
        """Have one of them do all that is left, and somebody ask for something just before its last word is stored."""
        await self.reach(which, "hold the end")
        await self.work(which, ["write", *["finish"] * len(STAGES)])
        await self.settle()
        await self.command(name, "")
        await self.reach(which, "free")

    async def settle(self) -> None:
        """Wait until nobody does anything that was not ordered."""
        quiet, before = 0, -1
        while quiet < 2:
            await asyncio.sleep(0.002)
            done = sum(actor.log.done for actor in self.actors)
            quiet = quiet + 1 if done == before and all(actor.still for actor in self.actors) else 0
            before = done

    async def check(self) -> None:
        """Check the rules on the log, that it only grows, and that nobody writes but the last who claimed it."""
        log = await self.place.events(self.at)
        assert self.log == log[: len(self.log)], "what was stored has changed"
        self.log = log
        holder, pending = "", Pending.NOTHING
        for event in log:
            assert pending is Pending.NOTHING or event.state is not State.SUCCEEDED, "it ended against a request"
            pending = event.pending
            match event.body:
                case Claimed(worker=worker):
                    holder = worker
                case TextDelta(text=text):
                    assert {holder} == set(text.split()), f"event {event.sequence} is not by {holder}"
                case StageFinished(output=Chapter(title=author)):
                    assert holder == author
        read = await self.place.service.get(self.place.call, pb.GetGenerationRequest(generation_id=self.at.id))
        assert (log[-1].sequence, log[-1].run) == (read.generation.last_sequence, read.generation.run)

    async def finish(self) -> None:
        """Let everybody go on, and a last worker do what is left; check that it ends as was asked."""
        for actor in self.actors:
            actor.log.way.set()
            actor.log.loses_next = actor.log.holds_end = False
            if actor.alive and actor is not self.actors[-1]:
                await self.kill(actor)
        await self.settle()
        while (await self.place.events(self.at))[-1].state.workable:
            if not self.actors or not self.actors[-1].alive:
                await self.claim()
            actor = self.actors[-1]
            assert actor.run is not None
            actor.run.look()
            await self.settle()
            assert Pending.NOTHING is (await self.place.events(self.at))[-1].pending, "it is not obeyed at once"
            actor.orders.put_nowait("finish")
            await self.settle()
        await self.check()
        self._check_end()

    def _check_end(self) -> None:
        assert_cuts(self.log)
        for run in range(1, self.log[-1].run + 1):
            ends = [event for event in self.log if event.run == run and event.state.terminal]
            assert len(ends) <= 1
            assert run == self.log[-1].run or len(ends) == 1
        end = self.log[-1].state
        asked = [event.body for event in self.log if isinstance(event.body, CancelRequested | PauseRequested | Resumed)]
        assert ("cancel" in self.accepted) == (end is State.CANCELLED), "a cancel that is answered wins, and no other"
        if end is State.PAUSED:
            assert isinstance(asked[-1], PauseRequested)
        for actor in self.actors:
            assert actor.task is not None
            if actor.task.done() and not actor.task.cancelled():
                assert actor.task.exception() is None

    async def end(self) -> None:
        """Leave nothing behind."""
        for actor in self.actors:
            await self.kill(actor)
