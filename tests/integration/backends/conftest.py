from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_models import build_tiny_text_model
from tests.tiny_pipelines import TinyPipelines, tiny_pipelines


@pytest.fixture(scope="session")
def tiny_text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model that writes printable ASCII."""
    return build_tiny_text_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Let models compute in one thread: tiny ones gain nothing from more, and threads of several would wait busily."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyPipelines:
    """Folders with tiny pipelines that paint noise."""
    return tiny_pipelines(tmp_path_factory.mktemp("pipelines"))
