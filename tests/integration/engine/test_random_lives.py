"""Users, workers, deaths, held and lost appends in any order, on the real journal: no way leads to a broken log.

The machine of `tests/unit/engine/test_state_machine.py` plays the pure parts against each other. Here everything is
real: the commands of the service, whole turns of workers (`Run`), fences and answers of JetStream. What the machine
decides is when each of them may go on.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fabula.engine.events import State
from tests.integration.engine.lives import MOST_ACTORS, STAGES, Life
from tests.integration.engine.workplace import Workplace
from tests.proof import record, runs, seeded, share_of

LIVES = 120
"""Drawn by Hypothesis, in a proof: it finds the shortest that goes wrong."""

LONG_LIVES = 60
"""Drawn by chance, in a proof: these come to retries of retries."""

STEPS = 40
LONG_STEPS = 60
CALL_SECONDS = 30.0

T = TypeVar("T")

WHICH = st.integers(0, 2)
SELDOM = st.integers(0, 4).map(lambda drawn: drawn == 4)


class Machine(RuleBasedStateMachine):
    """Draws what happens. No rule depends on what others have come to: timing must not change what is drawn.

    Attributes:
        place: Where.
        loop: Where it all runs; this is another thread.
        tally: Counts what was done.
    """

    place: ClassVar[Workplace]
    loop: ClassVar[asyncio.AbstractEventLoop]
    tally: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(self.place)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop, wait until all is still, and check."""

        async def whole() -> T:
            async with asyncio.timeout(CALL_SECONDS):
                result = await work
                await self.life.settle()
                await self.life.check()
            return result

        return asyncio.run_coroutine_threadsafe(whole(), self.loop).result(CALL_SECONDS + 5)

    @initialize(claim=st.booleans())
    def start(self, claim: bool) -> None:
        """A user starts it, and as a rule a worker takes it up."""
        self.do(self.life.start())
        if claim:
            self.do(self.life.claim())

    @rule(name=st.sampled_from(["pause", "resume", "resume", "retry"]), stage=st.sampled_from(["", *STAGES]))
    def command(self, name: str, stage: str) -> None:
        """A user asks for something."""
        self.do(self.life.command(name, stage))

    @rule(really=SELDOM)
    def cancel(self, really: bool) -> None:
        """A user cancels it."""
        if really:
            self.do(self.life.command("cancel", ""))

    @rule(names=st.lists(st.sampled_from(["pause", "resume", "retry"]), min_size=2, max_size=4))
    def commands_at_once(self, names: list[str]) -> None:
        """Several users ask for different things in the same moment."""
        self.do(self.life.commands_at_once(names))

    @rule()
    def claim(self) -> None:
        """A worker takes it up."""
        self.do(self.life.claim())

    @rule(orders=st.lists(st.sampled_from(["write", "finish"]), max_size=3))
    def claim_and_work(self, orders: list[str]) -> None:
        """A worker takes it up, and begins."""
        self.do(self.life.claim())
        self.do(self.life.work(-1, orders))

    @rule(which=WHICH, orders=st.lists(st.sampled_from(["write", "write", "advance", "finish", "crash"]), max_size=6))
    def work(self, which: int, orders: list[str]) -> None:
        """A stage writes, advances, crashes and is tried again, or is done."""
        self.do(self.life.work(which, orders))

    @rule(which=WHICH, orders=st.just(["write", "finish"]) | st.just(["finish", "write", "finish", "finish"]))
    def do_stages(self, which: int, orders: list[str]) -> None:
        """Whole stages are done."""
        self.do(self.life.work(which, orders))

    @rule(which=WHICH, name=st.sampled_from(["pause", "pause", "cancel", "resume"]))
    def ask_before_the_end(self, which: int, name: str) -> None:
        """Somebody asks for something while the last word of the run is on its way."""
        self.do(self.life.ask_before_the_end(which, name))

    @rule(which=WHICH)
    def fail(self, which: int) -> None:
        """A stage fails for good."""
        self.do(self.life.work(which, ["fail"]))

    @rule(which=WHICH, what=st.sampled_from(["hold", "hold the end", "free", "free", "look", "look"]))
    def reach(self, which: int, what: str) -> None:
        """The way to the journal is blocked, or free again; or the worker hears that somebody asks for something."""
        self.do(self.life.reach(which, what))

    @rule(which=WHICH, what=st.sampled_from(["kill", "release", "lose"]), really=SELDOM)
    def harm(self, which: int, what: str, really: bool) -> None:
        """A worker dies, or shuts down, or the answer to its next append is lost."""
        if really:
            self.do(self.life.reach(which, what))

    def teardown(self) -> None:
        """Let it come to its end; see what became of it."""
        if self.life.address is None:
            return
        try:
            self.do(self.life.finish())
            self.tally.update(["lives", f"ended {self.life.log[-1].state}", *["turns"] * self.life.claims])
            self.tally["events"] += len(self.life.log)
        finally:
            asyncio.run_coroutine_threadsafe(self.life.end(), self.loop).result(CALL_SECONDS)


@pytest.mark.proof
@pytest.mark.timeout(60 + 2 * share_of(LIVES))
async def test_no_life_breaks_the_log(place: Workplace) -> None:
    """Whatever is asked, dies, hangs or gets lost: the rules hold after every step, and it ends as was asked last."""

    class Here(Machine):
        """The machine at this place."""

    Here.place, Here.loop, Here.tally = place, asyncio.get_running_loop(), Counter()
    seed(seeded().getrandbits(32))(Here)
    bounds = settings(
        max_examples=share_of(LIVES),
        stateful_step_count=STEPS,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, Here, settings=bounds)
    tally = Here.tally
    record(
        what=f"{STEPS} commands, deaths, held and lost appends in random order, on the journal",
        runs=tally.pop("lives"),
        outcome="the rules hold after each step; one writer at a time; a cancel that was answered wins",
        figures=dict(tally),
    )


@pytest.mark.proof
@pytest.mark.timeout(60 + 5 * share_of(LONG_LIVES))
async def test_no_long_life_breaks_the_log(place: Workplace) -> None:
    """The same in long courses, with much going on in each."""
    ends: Counter[str] = Counter()
    for run in runs("long lives", LONG_LIVES):
        life = Life(place)
        await life.start()
        try:
            for _ in range(LONG_STEPS):
                await _something(life, run.chance)
                await life.settle()
                await life.check()
            await life.finish()
        finally:
            await life.end()
        ends.update(["lives", f"ended {life.log[-1].state}", *["turns"] * life.claims])
        ends.update({"events": len(life.log), "runs": life.log[-1].run})
    record(
        what=f"{LONG_STEPS} commands, deaths, held and lost appends by chance, on the journal",
        runs=ends.pop("lives"),
        outcome="the rules hold after each step; one writer at a time; a cancel that was answered wins",
        figures=dict(ends),
    )


async def _something(life: Life, chance: random.Random) -> None:
    """Let one thing happen that makes a difference, the rarer ones seldom."""
    state, which = life.log[-1].state if life.log else State.QUEUED, chance.randrange(MOST_ACTORS)
    drawn = chance.random()
    if drawn < 0.005:
        await life.command("cancel", "")
    elif drawn < 0.04:
        await life.ask_before_the_end(which, chance.choice(["pause", "pause", "cancel"]))
    elif drawn < 0.1:
        await life.commands_at_once(chance.choices(["pause", "resume", "retry"], k=chance.randint(1, 3)))
    elif drawn < 0.25:
        await life.reach(which, chance.choice(["hold", "hold the end", "free", "look", "kill", "release", "lose"]))
    elif state is State.PAUSED:
        await life.command("resume", "")
    elif state is State.FAILED:
        await life.command("retry", chance.choice(["", *STAGES]))
    elif life.actor(0) is None or drawn < 0.3:
        await life.claim()
    else:
        orders = ["write", "advance", "write", "finish", "crash", "fail"]
        await life.work(which, chance.choices(orders, [6, 2, 4, 2, 1, 1], k=chance.randint(1, 4)))
