"""Storms of commands in which workers die: every generation comes to its end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

import pytest

from fabula.engine.events import Claimed, Event, State, TextDelta
from fabula.engine.pipeline import Outputs, Retries, Stage, StageContext
from fabula.engine.ports import Address
from fabula.errors import Conflict, ModelCrashed
from services.story.domain import Chapter
from tests.integration.engine.workplace import Hand, Workplace
from tests.proof import record, runs, share_of

STORMS = 10
"""In a proof."""

GENERATIONS = 16
WORKERS = 3
COMMANDS = 120
WORDS = 12


class Weather:
    """Stages that write a word every few milliseconds, and now and then crash.

    Args:
        chance: Decides when.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def stages(self) -> list[Stage]:
        """Return a plan: one stage in the middle goes on where it was, the others begin again."""
        return [
            Stage(name, self._write, ("Writer",), units=WORDS, retries=Retries(1, 0.01), continues=name == "write-1")
            for name in ("outline", "write-1", "write-2")
        ]

    async def _write(self, context: StageContext, _outputs: Outputs) -> Chapter:
        for word in range(len(context.written.split()), WORDS):
            await asyncio.sleep(self._chance.uniform(0, 0.03))
            if self._chance.random() < 0.01:
                raise ModelCrashed("gone")
            context.text(f"{word} ", step=word + 1)
        return Chapter(1, "", context.written)


async def _die(place: Workplace, hands: list[Hand], weather: Weather, stack: AsyncExitStack, number: int) -> None:
    """Let one worker vanish, or shut down, and another come."""
    hand = hands.pop(0)
    if number % 3:
        await hand.kill()
    else:
        await hand.stop()
    hands.append(await stack.enter_async_context(place.working(*weather.stages(), name=f"worker-{number}")))


async def _ask(place: Workplace, address: Address, name: str, asked: dict[Address, list[str]]) -> None:
    """Ask for something; a refusal is an answer, too."""
    with suppress(Conflict):
        await place.command(name, address)
        asked[address].append(name)


def _check(log: list[Event], asked: list[str]) -> None:
    """Check that a cancel was obeyed, that nobody else ended it so, and that each stage's words are whole."""
    assert ("cancel" in asked) == (log[-1].state is State.CANCELLED)
    if log[-1].state is State.SUCCEEDED:
        whole = "".join(f"{word} " for word in range(WORDS))
        texts: dict[str, str] = {}
        for event in log:
            if isinstance(event.body, TextDelta):
                before = texts.get(event.body.stage, "") if event.body.offset else ""
                texts[event.body.stage] = before + event.body.text
        assert dict.fromkeys(("outline", "write-1", "write-2"), whole) == texts


@pytest.mark.proof
@pytest.mark.timeout(60 + 40 * share_of(STORMS))
async def test_all_comes_to_its_end_in_a_storm(place: Workplace) -> None:
    """The rules hold in every log, what was cancelled is cancelled and nothing else, and the queue is empty at last."""
    ends: Counter[str] = Counter()
    claims = 0
    for run in runs("storms", STORMS):
        logs = await _storm(place, run.chance)
        ends.update(str(log[-1].state) for log in logs.values())
        claims += sum(isinstance(event.body, Claimed) for log in logs.values() for event in log)
        assert await place.queue_is_empty()
    record(
        what=f"{COMMANDS} commands and 10 deaths of workers among {GENERATIONS} generations, within seconds",
        runs=share_of(STORMS),
        outcome="every log keeps the rules; what was cancelled is, and nothing else; the queue is empty in the end",
        figures={**ends, "claims": claims},
    )


async def _storm(place: Workplace, chance: random.Random) -> Mapping[Address, list[Event]]:
    weather = Weather(chance)
    async with AsyncExitStack() as stack:
        hands = [await stack.enter_async_context(place.working(*weather.stages())) for _ in range(WORKERS)]
        asked: dict[Address, list[str]] = {await place.start(): [] for _ in range(GENERATIONS)}
        async with asyncio.TaskGroup() as tasks:
            for number in range(COMMANDS):
                name = chance.choice(
                    ["pause", "resume", "resume", "retry", *(["cancel"] if chance.random() < 0.2 else [])]
                )
                tasks.create_task(_ask(place, chance.choice(list(asked)), name, asked))
                await asyncio.sleep(chance.uniform(0, 0.05))
                if number % 12 == 11:
                    await _die(place, hands, weather, stack, number)
        return {address: await _to_its_end(place, address, asked[address]) for address in asked}


async def _to_its_end(place: Workplace, address: Address, asked: list[str]) -> list[Event]:
    """Resume what is paused and retry what has failed until it has ended otherwise; return its log."""
    async with asyncio.timeout(60):
        while True:
            log = await place.until(address, lambda event: event.state.terminal or event.state is State.PAUSED)
            log = await place.events(address)
            match log[-1].state:
                case State.SUCCEEDED | State.CANCELLED:
                    _check(log, asked)
                    return log
                case State.PAUSED:
                    await place.command("resume", address)
                case State.FAILED:
                    await place.command("retry", address)
            await asyncio.sleep(0.05)
