"""`kill -9` of image workers at random steps, and restarts of everything: pictures end in the same bits."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1.generation_pb2 import STATE_PAUSED, STATE_SUCCEEDED
from fabula.engine.events import Advanced, Claimed, Event, StageFinished, StageRestarted
from fabula.engine.ports import Address, GenerationId
from fabula.journal import JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import LOCAL_OWNER
from services.image.contract import ImageContract
from tests.integration.image.house import Customer
from tests.integration.image.processes import Process, process
from tests.integration.image.tiny import build, environment_of
from tests.log_rules import assert_cuts, assert_rules
from tests.proof import record, runs, share_of

KILLS = 30
"""In a proof."""

CHECKPOINT_STEPS = 5
STEPS = 40
ASKED: dict[str, Any] = {"steps": STEPS, "use_refinement": True, "preview_interval": 5, "width": 128, "height": 128}
IN_FLIGHT_STEPS = 2
"""Steps that may be done while a checkpoint is being put: they are repeated as well."""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Say what the workers paint with."""
    more = {"FABULA_IMAGE_CHECKPOINT_STEPS": str(CHECKPOINT_STEPS), "FABULA_LEASE_SECONDS": "1"}
    return environment_of(build(tmp_path_factory.mktemp("pipelines"))) | more


@dataclass
class Studio:
    """A server, and workers that come and go.

    Attributes:
        url: The journal's.
        folder: Where logs are written.
        variables: What the workers are told.
        server: The server.
    """

    url: str
    folder: Path
    variables: dict[str, str]
    server: Process
    stack: AsyncExitStack
    workers: list[Process] = field(default_factory=list)

    @property
    def customer(self) -> Customer:
        """The local user."""
        return self.server.customer

    async def hire(self) -> Process:
        """Start a worker; return it when its model is loaded."""
        worker = await self.stack.enter_async_context(process("worker", self.url, self.folder, self.variables))
        await worker.loaded()
        self.workers.append(worker)
        return worker

    async def log(self, id_: str) -> list[Event]:
        """Return a generation's log, having checked all rules on it."""
        codec = ImageContract().codec
        log: list[Event] = []
        address = Address("image", LOCAL_OWNER, GenerationId(id_))
        async with (
            connect(JournalSettings(url=self.url, name="test")) as journal,
            aclosing(journal.events.read(address)) as records,
        ):
            async for stored in records:
                log += [codec.decode(entry) for entry in stored.entries]
        assert_rules(log)
        assert_cuts(log)
        return log


@pytest_asyncio.fixture
async def studio(tmp_path: Path, variables: dict[str, str]) -> AsyncIterator[Studio]:
    """Run a journal and a server, and one worker whose model is loaded."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(EmbeddedServer(tmp_path))
        server = await stack.enter_async_context(process("server", nats.url, tmp_path))
        studio = Studio(nats.url, tmp_path, variables, server, stack)
        await studio.hire()
        yield studio


@pytest.mark.proof
@pytest.mark.timeout(300 + 120 * share_of(KILLS))
async def test_picture_survives_the_death_of_its_worker(studio: Studio) -> None:
    """Killed at any step, a worker costs a few steps, and no bit of the picture."""
    reference = await painted(studio.customer)
    repeated: list[int] = []
    waits: list[float] = []
    died_at: list[int] = []
    for run in runs("the image worker", KILLS):
        wanted = run.chance.randint(1, STEPS - 1)
        one, found = studio.workers[-1], await studio.hire()
        id_ = await studio.customer.start(**ASKED)
        await reached(studio.customer, id_, wanted)
        victim = await worker_of(studio, id_, (one, found))
        await victim.end(signal.SIGKILL)
        killed_at = time.monotonic()
        await studio.customer.until(id_, is_taken_over)
        waits.append(time.monotonic() - killed_at)
        await studio.customer.result(id_)
        log = await studio.log(id_)
        cost, step = steps_repeated(log)
        repeated.append(cost)
        died_at.append(step)
        studio.workers = [one if victim is found else found]

        assert reference == await studio.customer.pictures(id_), f"killed at step {step}"
        assert cost <= CHECKPOINT_STEPS + IN_FLIGHT_STEPS, f"killed at step {step}"
        stages = [event.body.stage for event in log if isinstance(event.body, StageFinished)]
        assert ["encode_prompt", "base_model", "refiner_model", "decode", "keep"] == stages
    record(
        what="`kill -9` of the image worker",
        runs=len(repeated),
        outcome=f"SUCCEEDED, the same bits; checkpoints every {CHECKPOINT_STEPS} steps",
        seconds=waits,
        figures={"steps repeated, most": max(repeated), "killed at steps": f"{min(died_at)}…{max(died_at)}"},
    )


@pytest.mark.timeout(600)
async def test_paused_picture_survives_a_restart_of_everything(tmp_path: Path, variables: dict[str, str]) -> None:
    """Paused at some step, all processes ended, all started again, resumed: the bits of an undisturbed run."""
    for restart in (False, True):
        async with AsyncExitStack() as stack:
            nats = await stack.enter_async_context(EmbeddedServer(tmp_path))
            server = await stack.enter_async_context(process("server", nats.url, tmp_path))
            studio = Studio(nats.url, tmp_path, variables, server, stack)
            worker = await studio.hire()
            if not restart:
                id_ = await studio.customer.start(**ASKED)
                await studio.customer.until_step(id_, "base_model", 8)
                await studio.customer.call("PauseGeneration", generation_id=id_)
                await studio.customer.reaches(id_, STATE_PAUSED)
            else:
                assert STATE_PAUSED == await studio.customer.state(id_)
                await studio.customer.call("ResumeGeneration", generation_id=id_)
                await studio.customer.result(id_)
                log = await studio.log(id_)
                assert await painted(studio.customer) == await studio.customer.pictures(id_)
            assert 0 == await worker.end()
            assert 0 == await server.end()

    assert not any(isinstance(event.body, StageRestarted) for event in log)
    assert 0 == steps_repeated(log)[0]


async def painted(customer: Customer) -> Sequence[bytes]:
    """Paint undisturbed; return the pictures."""
    id_ = await customer.start(**ASKED)
    await customer.result(id_)
    return await customer.pictures(id_)


async def reached(customer: Customer, id_: str, step: int) -> None:
    """Wait until so many steps are done, over both models."""
    await customer.until(id_, lambda one: one.event.progress.step >= step)


def is_taken_over(response: Any) -> bool:
    """Whether another worker has claimed the generation, or it was over before the first one died."""
    event = response.event
    return bool(event.claimed.attempt == 2 or event.state == STATE_SUCCEEDED)


async def worker_of(studio: Studio, id_: str, workers: Sequence[Process]) -> Process:
    """Return the process that has claimed a generation."""
    claimed = next(event.body for event in await studio.log(id_) if isinstance(event.body, Claimed))
    return next(worker for worker in workers if f"-{worker.process.pid}-" in claimed.worker)


def steps_repeated(log: Sequence[Event]) -> tuple[int, int]:
    """Return how many steps were done twice, and the last step before the first interruption, as the log has it."""
    steps = [event.body.step for event in log if isinstance(event.body, Advanced) and event.body.step is not None]
    falls = [max(0, before - after + 1) for before, after in itertools.pairwise(steps) if after <= before]
    claims = [event.sequence for event in log if isinstance(event.body, Claimed)]
    first_life = [event.body.step or 0 for event in log[: claims[-1]] if isinstance(event.body, Advanced)]
    return sum(falls), max(first_life, default=0)
