"""Cancel and pause over gRPC, of stories whose model does not answer: a real worker, and a real child process."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.backends.host import Host, HostSettings, HostSpec, HostState
from fabula.backends.text_settings import TransformersSettings
from fabula.backends.transformers_text import TransformersText
from tests.integration.story.house import User, bodies, open_house, text_of
from tests.integration.story.scripts import PIECES
from tests.integration.story.stubborn_model import FACTORY, LOADING, SLOW, STUCK

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND_SECONDS = 0.5
"""So soon a host kills a child that does not obey."""

SLACK_SECONDS = 15.0
"""For everything else, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A caller of a story service that writes with a stubborn model.

    Attributes:
        user: The caller.
        model: The adapter that is used for real models.
        whims: Says what the model does.
    """

    user: User
    model: TransformersText
    whims: Path

    @property
    def child(self) -> HostState:
        """What the model's process is doing."""
        return self.model.state

    async def until_phase(self, phase: str) -> int:
        """Wait until the model's process is at something; return its id."""
        async with asyncio.timeout(20):
            while self.child.phase != phase or self.child.pid is None:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.01)
            return self.child.pid

    async def ends_within_the_bound(self, id_: str, state: gen.State.ValueType) -> float:
        """Wait until the story is in this state; return how long that took."""
        began = time.monotonic()
        await self.user.reaches(id_, state)
        took = time.monotonic() - began
        assert took < BOUND_SECONDS + SLACK_SECONDS
        return took

    async def until_asleep(self) -> None:
        """Wait until the model is where it was to get stuck."""
        async with asyncio.timeout(20):
            while not self.whims.with_suffix(".asleep").exists():  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    """Tell whether a process is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest_asyncio.fixture(loop_scope="module")
async def desk(nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Open a house where a stubborn model writes; at first it does what is asked."""
    whims = tmp_path / "whims"
    whims.write_text("")
    model = TransformersText(TransformersSettings(str(tmp_path), is_folder=True))
    spec = HostSpec("stubborn", FACTORY, {"whims": str(whims)})
    model._host = Host(spec, HostSettings(BOUND_SECONDS))  # another model in the same adapter
    async with open_house(nats_url, writer=model) as house:
        yield Desk(house.user(), model, whims)
        whims.write_text("")
    await model.close()


async def test_a_cancel_while_the_model_loads(desk: Desk) -> None:
    """The child that loads is killed within the bound; the story that waited behind it is told by a fresh one."""
    desk.whims.write_text(LOADING)
    cancelled = await desk.user.start()
    loading = await desk.until_phase("loading")
    await desk.until_asleep()
    waiting = await desk.user.start()
    desk.whims.write_text("")

    answers = [await desk.user.call("CancelGeneration", generation_id=cancelled) for _ in range(2)]
    await desk.ends_within_the_bound(cancelled, gen.STATE_CANCELLED)

    assert answers[0] == answers[1]
    assert not lives(loading)
    log = await desk.user.log(cancelled)
    assert ["cancel_requested", "cancelled"] == bodies(log)[-2:]
    other = await desk.user.log(waiting)
    assert ("succeeded", 0, 1) == (bodies(other)[-1], bodies(other).count("cancel_requested"), desk.child.restarts)


@pytest.mark.parametrize(
    ("rpc", "state"), [("CancelGeneration", gen.STATE_CANCELLED), ("PauseGeneration", gen.STATE_PAUSED)]
)
async def test_a_stop_while_the_model_is_stuck(desk: Desk, rpc: str, state: gen.State.ValueType) -> None:
    """A child that is stuck in C is killed within the bound, not before; its text stays; the next story is unharmed."""
    desk.whims.write_text(STUCK)
    stopped = await desk.user.start()
    await desk.user.has_written(stopped, "".join(PIECES[:3]))
    stuck = await desk.until_phase("busy")
    await desk.until_asleep()
    desk.whims.write_text("")

    await desk.user.call(rpc, generation_id=stopped)
    took = await desk.ends_within_the_bound(stopped, state)

    assert took > BOUND_SECONDS * 0.8, "it was not stuck"
    assert not lives(stuck)
    so_far = await desk.user.log_so_far(stopped)
    assert "".join(PIECES[:3]) == text_of(so_far, "write-1")
    whole = await desk.user.log(await desk.user.start())
    assert ("succeeded", "".join(PIECES)) == (bodies(whole)[-1], text_of(whole, "write-1"))
    if state == gen.STATE_PAUSED:
        await desk.user.call("ResumeGeneration", generation_id=stopped)
        resumed = await desk.user.log(stopped)
        assert so_far == resumed[: len(so_far)]
        assert ("succeeded", 0) == (bodies(resumed)[-1], bodies(resumed).count("stage_restarted"))
        assert "".join(PIECES) == text_of(resumed, "write-1")


async def test_a_cancel_of_one_leaves_the_others_at_the_same_model_alone(desk: Desk) -> None:
    """Of stories that share a model some are cancelled, at work or in line: the child lives, and the others end."""
    desk.whims.write_text(SLOW)
    ids = [await desk.user.start() for _ in range(6)]
    await desk.user.has_written(ids[0], PIECES[0])
    child = await desk.until_phase("busy")
    for index in (0, 2, 5):
        await desk.user.call("CancelGeneration", generation_id=ids[index])
    logs = await asyncio.gather(*(desk.user.log(id_) for id_ in ids))

    assert ["cancelled", "succeeded"] * 2 + ["succeeded", "cancelled"] == [
        bodies(log)[-1] for log in (logs[0], logs[1], logs[2], logs[3], logs[4], logs[5])
    ]
    for index in (1, 3, 4):
        assert "cancel_requested" not in bodies(logs[index])
        assert "".join(PIECES) == text_of(logs[index], "write-1")
    assert (child, 0) == (desk.child.pid, desk.child.restarts)
