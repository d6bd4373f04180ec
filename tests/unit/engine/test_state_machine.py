"""Users, workers, deaths and retries in any order: no way leads to a log that breaks the rules.

The machine plays the real parts against each other: commands by `decide`, work by `Desk` and `Meter`, gathering by
`Outbox`, numbering by `next_event`, reading by `History`. The log is a list; its fence is its length.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fabula.engine.desk import Desk
from fabula.engine.events import (
    Body,
    Cancelled,
    Claimed,
    Event,
    Failed,
    Failure,
    Paused,
    Pending,
    Progress,
    Released,
    StageFinished,
    StageStarted,
    State,
    Succeeded,
)
from fabula.engine.forecast import Forecast
from fabula.engine.history import History, Snapshot, fold
from fabula.engine.meter import Meter
from fabula.engine.outbox import Draft, Outbox
from fabula.engine.pipeline import Stage
from fabula.engine.states import Command, decide, next_event
from fabula.engine.writer import _leaves_us_the_log
from fabula.errors import Conflict, LogCorrupted
from fabula.rpc.service import _next_event
from tests.log_rules import assert_cuts, assert_rules, log_of
from tests.unit.engine.test_desk import ADDRESS, NO_BLOBS
from tests.unit.engine.test_meter import _nothing

PLAN = (
    Stage("outline", _nothing, ("Planner",), weight=1),
    Stage("write-1", _nothing, ("Writer",), weight=5, units=20, continues=True),
    Stage("write-2", _nothing, ("Writer",), weight=5, units=20),
    Stage("keep", _nothing, weight=1),
)


COMMANDS = [*[Command.RESUME, Command.RETRY, Command.PAUSE] * 6, Command.DELETE, Command.CANCEL]
SELDOM = st.integers(0, 7).map(lambda drawn: drawn == 7)


@dataclass
class Worker:
    """One worker's turn: what it has read, what it does, what it has not stored yet."""

    name: str
    head: Event
    snapshot: Snapshot
    clock: Callable[[], float]
    outbox: Outbox = field(default_factory=Outbox)
    desk: Desk | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self.meter = Meter(self.snapshot.progress, Forecast(), self.clock())
        self.finished = list(self.snapshot.outputs)
        self.meter.plan(PLAN, self.finished)

    @property
    def next_stage(self) -> Stage | None:
        """The first stage that is not finished."""
        return next((stage for stage in PLAN if stage.name not in self.finished), None)

    def emit(self, body: Body) -> None:
        """Add an event to what waits."""
        progress = self.meter.read(self.clock(), done=isinstance(body, Succeeded))
        self.outbox.put(body, progress, self.head.time + timedelta(seconds=1))

    def sit_down(self, stage: Stage) -> None:
        """Begin a stage, or go on with it."""
        self.meter.begin(stage, self.clock())
        self.desk = Desk(stage, ADDRESS, NO_BLOBS, {}, self.meter, self.emit, lambda _: None, self.clock)
        view = self.snapshot.stages.get(stage.name)
        if view is None:
            self.emit(StageStarted(stage.name, stage.agents))
            return
        self.desk.take_up(view)
        if not stage.continues:
            self.desk.restart("the work was interrupted")


class Generation(RuleBasedStateMachine):
    """One generation, and everybody who has to do with it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Event] = []
        self.worker: Worker | None = None
        self.zombies: list[Worker] = []
        self.history = History()
        self.now = 0.0
        self.workers = 0

    @initialize()
    def accept(self) -> None:
        """A user starts it."""
        self._store(log_of())

    @rule(command=st.sampled_from(COMMANDS), stage=st.sampled_from(["", *(stage.name for stage in PLAN)]))
    def command(self, command: Command, stage: str) -> None:
        """A user asks for something: it is carried out, was so before, or is refused and changes nothing."""
        last = self.log[-1]
        try:
            bodies = decide(command, last.state, last.pending, last.run, from_stage=stage)
        except Conflict:
            return
        for body in bodies:
            self._store([_next_event(self.log[-1], body)])

    @precondition(lambda self: self.log[-1].state.workable)
    @rule(steal=SELDOM)
    def claim(self, steal: bool) -> None:
        """A worker gets the job; whoever had it before does not know that."""
        if self.worker is not None:
            if not steal:
                return
            self.zombies.append(self.worker)
        self.workers += 1
        snapshot = fold(self.log)
        assert self.history.snapshot() == snapshot
        worker = Worker(f"worker-{self.workers}", self.log[-1], snapshot, lambda: self.now)
        worker.emit(Claimed(worker.name, snapshot.attempt + 1))
        self.worker = worker
        self._append(worker)

    @precondition(lambda self: self.worker is not None and self.worker.desk is None)
    @rule()
    def begin(self) -> None:
        """The worker begins the next stage."""
        assert self.worker is not None
        if self.worker.desk is None and (stage := self.worker.next_stage) is not None:
            self.worker.sit_down(stage)

    @precondition(lambda self: self.worker is not None and self.worker.desk is not None)
    @rule(text=st.text(min_size=1, max_size=5), step=st.none() | st.integers(0, 30))
    def write(self, text: str, step: int | None) -> None:
        """The stage writes."""
        assert self.worker is not None
        assert self.worker.desk is not None
        self.worker.desk.text(text, step=step)

    @precondition(lambda self: self.worker is not None and self.worker.desk is not None)
    @rule(what=st.sampled_from(["advance", "agents", "log", "restart"]), step=st.integers(0, 30))
    def do(self, what: str, step: int) -> None:
        """The stage says something of itself, or begins again."""
        assert self.worker is not None
        desk = self.worker.desk
        assert desk is not None
        match what:
            case "advance":
                desk.advance(step, 20, "on and on")
            case "agents":
                desk.agents("Critic")
            case "log":
                desk.log("a line")
            case _:
                desk.restart("it failed and is tried again")

    @precondition(lambda self: self.worker is not None and self.worker.desk is not None)
    @rule()
    def finish(self) -> None:
        """The stage is done."""
        worker = self.worker
        assert worker is not None
        assert worker.desk is not None
        name = worker.desk.stage.name
        seconds, units = worker.meter.end(self.now)
        worker.finished.append(name)
        worker.desk = None
        worker.emit(StageFinished(name, f"output of {name}", seconds, units))

    @precondition(lambda self: self.worker is not None)
    @rule(text=st.text(min_size=1, max_size=5))
    def do_a_whole_stage(self, text: str) -> None:
        """The worker begins a stage if it has none, writes, and finishes it."""
        self.begin()
        if self.worker is not None and self.worker.desk is not None:
            self.worker.desk.text(text)
            self.finish()

    @rule()
    def store(self) -> None:
        """The writer appends what waits."""
        if self.worker is not None:
            self._append(self.worker)

    @precondition(lambda self: self.worker is not None and self.worker.desk is not None)
    @rule(really=st.booleans())
    def fail(self, really: bool) -> None:
        """The stage fails for good."""
        if not really:
            return
        assert self.worker is not None
        assert self.worker.desk is not None
        self._conclude(Failed(Failure("BACKEND_FAILED", "no"), self.worker.desk.stage.name), Pending.NOTHING)

    @precondition(lambda self: self.worker is not None)
    @rule(release=SELDOM)
    def conclude(self, release: bool) -> None:
        """The worker obeys what is asked for, succeeds if all is done, or else goes on, or hands back."""
        assert self.worker is not None
        self._append(self.worker)
        worker = self.worker
        if worker is None:
            return
        match worker.head.pending:
            case Pending.CANCEL:
                self._conclude(Cancelled(), Pending.CANCEL)
            case Pending.PAUSE:
                self._conclude(Paused(), Pending.PAUSE)
            case Pending.NOTHING if worker.next_stage is None and worker.desk is None:
                self._conclude(Succeeded("all of it"), Pending.NOTHING)
            case Pending.NOTHING if release:
                self._conclude(Released(worker.name), Pending.NOTHING)

    @precondition(lambda self: self.worker is not None)
    @rule()
    def outrun(self) -> None:
        """A success is read from the meter and then not stored, because a cancel was stored first."""
        assert self.worker is not None
        self.worker.meter.read(self.now, done=True)

    @rule(really=SELDOM)
    def die(self, really: bool) -> None:
        """The worker dies, and with it what it had not stored."""
        if really:
            self.worker = None

    @precondition(lambda self: self.zombies)
    @rule()
    def zombie(self) -> None:
        """A worker that lost its job writes on: the fence refuses it, and it finds out why."""
        worker = self.zombies.pop()
        if not worker.outbox:
            worker.emit(StageStarted("zombie"))
        before = len(self.log)
        self._append(worker)
        assert worker.ended
        assert before == len(self.log)

    @rule(seconds=st.integers(0, 9))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @invariant()
    def state_and_commands_agree(self) -> None:
        """What the newest event says is what the fold says: commands are decided on either."""
        if self.log:
            last = self.log[-1]
            snapshot = self.history.snapshot()
            assert (last.state, last.pending, last.run) == (snapshot.state, snapshot.pending, snapshot.run)
            assert last.pending is Pending.NOTHING or last.state is State.RUNNING

    def teardown(self) -> None:
        """Check the rules on the whole log, at every cut, and that each run has at most one end."""
        if self.log:
            assert_rules(self.log)
            assert_cuts(self.log)
            for run in range(1, self.log[-1].run + 1):
                ends = [event for event in self.log if event.run == run and event.state.terminal]
                assert len(ends) <= 1
                assert run == self.log[-1].run or len(ends) == 1

    def _store(self, events: list[Event]) -> None:
        for event in events:
            self.history.apply(event)
            self.log.append(event)

    def _append(self, worker: Worker) -> None:
        """Append what waits behind the fence; if it does not hold, read what was missed and decide as a writer does."""
        while worker.outbox and self._holds(worker):
            events: list[Event] = []
            for draft in worker.outbox.take(2000):
                worker.head = next_event(worker.head, draft.body, draft.progress, draft.time)
                events.append(worker.head)
            self._store(events)

    def _holds(self, worker: Worker) -> bool:
        """Let the worker read on to the end of the log; False if somebody else has the generation."""
        for event in self.log[worker.head.sequence :]:
            if not _leaves_us_the_log(event):
                worker.ended = True
                if self.worker is worker:
                    self.worker = None
                return False
            worker.head = event
        return True

    def _conclude(self, body: Body, pending: Pending) -> None:
        worker = self.worker
        assert worker is not None
        self._append(worker)
        if self.worker is None or not self._holds(worker) or worker.head.pending is not pending:
            return
        worker.meter.rest()
        progress: Progress = worker.meter.read(self.now, done=isinstance(body, Succeeded))
        draft = Draft(body, progress, worker.head.time)
        self._store([next_event(worker.head, draft.body, draft.progress, draft.time)])
        self.worker = None


TestGeneration = Generation.TestCase
TestGeneration.settings = settings(max_examples=150, stateful_step_count=80, deadline=None, print_blob=True)


@pytest.mark.parametrize("seed", range(25))
def test_long_lives(seed: int) -> None:
    """The same in long courses drawn by chance, which come to retries of retries; the seed is the test's name."""
    chance = random.Random(seed)
    generation = Generation()
    generation.accept()
    for _ in range(300):
        worker = generation.worker
        if worker is None:
            _one_of(chance, {generation.claim: 9, generation.zombie: 1 if generation.zombies else 0}, steal=False)
            generation.command(
                chance.choice([Command.RESUME, Command.RETRY]), chance.choice(["", "outline", "write-2"])
            )
        elif worker.head.pending is not Pending.NOTHING or (worker.next_stage is None and worker.desk is None):
            generation.conclude(release=False)
        elif worker.desk is None:
            _one_of(chance, {generation.begin: 5, generation.do_a_whole_stage: 5, generation.store: 3}, text="la")
        else:
            generation.write(chance.choice(["la", "lu"]), chance.choice([None, 3, 15]))
            _one_of(chance, {generation.do: 5, generation.finish: 5, generation.store: 2}, what="advance", step=9)
        generation.wait(chance.randint(0, 3))
        _seldom(chance, generation)
        generation.state_and_commands_agree()
    generation.teardown()


def _seldom(chance: random.Random, generation: Generation) -> None:
    """Let one of the rarer things happen, perhaps."""
    drawn = chance.random()
    if drawn < 0.03 and generation.log[-1].state.workable:
        generation.claim(steal=True)
    elif drawn < 0.06:
        generation.command(Command.PAUSE, "")
    elif drawn < 0.064:
        generation.command(Command.CANCEL, "")
    elif drawn < 0.08:
        generation.die(really=True)
    elif drawn < 0.16 and generation.worker is not None and generation.worker.desk is not None:
        generation.fail(really=True)
    elif drawn < 0.19 and generation.worker is not None and generation.worker.next_stage is not None:
        generation.conclude(release=drawn < 0.175)


def _one_of(chance: random.Random, weights: dict[Callable[..., None], int], **arguments: object) -> None:
    """Do one of these, with those of the arguments that it takes."""
    (action,) = chance.choices(list(weights), list(weights.values()))
    if action.__name__ in ("claim", "zombie") and not _possible(action):
        return
    wanted = inspect.signature(action).parameters
    action(**{name: value for name, value in arguments.items() if name in wanted})


def _possible(action: Callable[..., None]) -> bool:
    generation = action.__self__  # type: ignore[attr-defined]  # a bound method
    return bool(generation.zombies) if action.__name__ == "zombie" else generation.log[-1].state.workable


def test_machine_notices_a_broken_log() -> None:
    """The check at the end of each course is not blind: a repeated end, or a lowered fraction, is found."""
    log = log_of(Claimed("worker", 1), Succeeded())
    for broken in (
        [*log, replace(log[-1], sequence=4)],
        [log[0], replace(log[1], progress=Progress(0.9)), replace(log[2], progress=Progress(0.5))],
    ):
        with pytest.raises((AssertionError, LogCorrupted)):
            assert_rules(broken)
