"""Systems that several tests share: starting one takes seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import httpx
import pytest
import pytest_asyncio

from tests.e2e.characters import SEEDS, Known, undisturbed
from tests.e2e.observer import Observer, all_doors, check_story
from tests.e2e.stories import api_of, watching
from tests.system import System
from tests.tiny_pipelines import build_tiny_sdxl

READING_PACE = 40.0
"""Words per second: slow enough to be interrupted in the middle, quick enough for a test."""

TELLING_PACE = 100.0
"""The same where characters are made: some two hundred words each."""

FACE_STEPS = 24
"""Of a picture of a character."""

_PAINTER_SECONDS = 240.0


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a whole system with the bundled author, writing at a pace that leaves time to interrupt it."""
    with System(tmp_path_factory.mktemp("house") / "data", words_per_second=READING_PACE) as system:
        yield system


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a whole system with all generators; a tiny pipeline of random weights paints faces, each alone.

    For a module only: it is ten processes, and tests of others are to have the machine to themselves.
    """
    painter = build_tiny_sdxl(tmp_path_factory.mktemp("painter") / "tiny")
    environment = {
        "FABULA_IMAGE_MODEL": f"diffusers:{painter}",
        "FABULA_IMAGE_DEFAULT_STEPS": str(FACE_STEPS),
        "FABULA_IMAGE_BATCH": "1",  # the bits of a picture may depend on its company
        "FABULA_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    folder = tmp_path_factory.mktemp("town") / "data"
    generators = "story,character,image"
    with System(folder, words_per_second=TELLING_PACE, environment=environment, generators=generators) as system:
        until_painting(system)
        yield system


@pytest.fixture(scope="module")
def known(town: System) -> Mapping[int, Known]:
    """Have one character made of each seed while nobody dies, and of one of them another, which is the same."""

    async def make() -> Sequence[Known]:
        return await asyncio.gather(*(undisturbed(town, seed) for seed in (*SEEDS, SEEDS[0])))

    *made, again = asyncio.run(make())
    assert made[0].made == again.made
    return dict(zip(SEEDS, made, strict=True))


def until_painting(system: System) -> None:
    """Wait until the painter is there; `fabula up` does not."""
    deadline = time.monotonic() + _PAINTER_SECONDS
    while not httpx.get(f"{system.url}/v1/images/model", trust_env=False).is_success:
        assert time.monotonic() < deadline, system.log_file.read_text(errors="replace")
        time.sleep(0.2)


@pytest_asyncio.fixture
async def unharmed(house: System) -> AsyncIterator[None]:
    """Have a story written meanwhile: it succeeds, no other was started or lost, and all is well in the end."""
    async with api_of(house) as api:
        bystander = Observer(await api.start(words=60), all_doors(house))
        before = await api.ids()
        processes = [(process.name, process.pid) for process in house.status.processes] if house.status else []
        async with watching([bystander]):
            yield
        check_story(bystander)
        assert before == await api.ids()
        assert 200 == (await api.http.get("/readyz")).status_code
        assert house.status is not None
        assert processes == [(process.name, process.pid) for process in house.status.processes]
