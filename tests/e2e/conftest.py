"""Systems that several tests share: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system import System

READING_PACE = 40.0
"""Words per second: slow enough to be interrupted in the middle, quick enough for a test."""


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a whole system with the bundled author, writing at a pace that leaves time to interrupt it."""
    with System(tmp_path_factory.mktemp("house") / "data", words_per_second=READING_PACE) as system:
        yield system
