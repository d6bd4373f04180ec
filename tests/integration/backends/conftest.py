from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import build_tiny_text_model


@pytest.fixture(scope="session")
def tiny_text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model that writes printable ASCII."""
    return build_tiny_text_model(tmp_path_factory.mktemp("models") / "tiny")
