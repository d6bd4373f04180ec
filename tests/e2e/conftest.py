"""Systems that several tests share: starting one takes seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.e2e.observer import Observer, all_doors, check_story
from tests.e2e.stories import api_of, watching
from tests.system import System

READING_PACE = 40.0
"""Words per second: slow enough to be interrupted in the middle, quick enough for a test."""


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a whole system with the bundled author, writing at a pace that leaves time to interrupt it."""
    with System(tmp_path_factory.mktemp("house") / "data", words_per_second=READING_PACE) as system:
        yield system


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
