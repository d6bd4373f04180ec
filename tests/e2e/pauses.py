"""A pause on a whole system, a restart of all its processes, and what must be true of what was paused then."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from fabula.api.generation.v1.generation_pb2 import Event
from tests.e2e.observer import Observer, bodies, check_equal, check_story, stages, texts_of
from tests.e2e.processes import descendants, until_gone
from tests.e2e.stories import Api
from tests.system import STOP_SECONDS, System


@dataclass(frozen=True, slots=True)
class Pause:
    """A generation that is paused.

    Attributes:
        generation_id: Which one.
        log: Everything up to the pause.
        texts: What each stage has written.
    """

    generation_id: str
    log: Sequence[Event]
    texts: dict[str, str]


async def paused(api: Api, observers: Sequence[Observer]) -> Pause:
    """Pause a generation, twice, and wait until all its watchers know."""
    generation_id = observers[0].generation_id
    for _ in range(2):
        assert httpx.codes.OK == (await api.command(generation_id, "pause")).status_code
    return await until_paused(observers)


async def until_paused(observers: Sequence[Observer]) -> Pause:
    """Wait until all watchers of a generation know that it is paused."""
    await asyncio.gather(*(each.until(lambda seen: bodies(seen)[-1:] == ["paused"]) for each in observers))
    log = observers[0].events
    assert not log[-1].progress.active_agents
    return Pause(observers[0].generation_id, log, texts_of(log))


async def restart(system: System, end: signal.Signals) -> None:
    """End `fabula up` by a signal, see to it that nothing is left of it, and start it again on the same data."""
    process = system.process
    assert process is not None
    children = descendants(process.pid)
    assert len(children) >= 4
    os.kill(process.pid, end)
    code = await asyncio.to_thread(process.wait, STOP_SECONDS)
    assert (-end if end is signal.SIGKILL else 0) == code
    await until_gone([child.pid for child in children], 10)
    await asyncio.to_thread(system.start)


async def check_stands(api: Api, pause: Pause) -> Any:
    """Check that a generation stands where it stood; return it."""
    found = await api.read(pause.generation_id)
    assert ("STATE_PAUSED", pause.log[-1].sequence) == (
        found["generation"]["state"],
        found["generation"]["lastSequence"],
    )
    return found


async def check_pause(api: Api, pause: Pause) -> None:
    """Check that a story stands where it stood."""
    found = await check_stands(api, pause)
    written = [text for stage, text in pause.texts.items() if stage.startswith("write-")]
    assert written == [each["text"] for each in found["story"]["chapters"] if each["text"]]


async def resume(api: Api, generation_id: str) -> None:
    """Go on, twice."""
    for _ in range(2):
        assert httpx.codes.OK == (await api.command(generation_id, "resume")).status_code


def check_resumed(observers: Sequence[Observer], *pauses: Pause) -> None:
    """Check that all have seen the very same story, which went on from what was written, and began nothing again."""
    for observer in observers:
        check_story(observer)
    check_equal(observers)
    whole = observers[0]
    counts = [bodies(whole).count(body) for body in ("pause_requested", "paused", "resumed", "stage_restarted")]
    assert [len(pauses)] * 3 + [0] == counts
    assert stages(whole, "stage_started") == stages(whole, "stage_finished")
    texts = texts_of(whole.events)
    for pause in pauses:
        assert pause.log == whole.events[: len(pause.log)]
        assert ["resumed", "claimed"] == bodies(whole)[len(pause.log) :][:2]
        assert texts != pause.texts
        for stage, text in pause.texts.items():
            assert texts[stage].startswith(text)
