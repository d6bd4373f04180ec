"""What an image server loads: it starts quickly, and paints nothing."""

from __future__ import annotations

import subprocess
import sys

_LOADED = "import sys, services.image.__main__, services.image.contract; print(*sys.modules)"


def test_a_server_never_imports_models() -> None:
    """Neither their libraries nor the adapter; a worker itself leaves torch to its host."""
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())

    unwanted = {
        "torch",
        "transformers",
        "diffusers",
        "numpy",
        "fabula.backends.diffusers_image",
        "services.image.stages",
    }
    assert not unwanted & loaded
    assert {"services.image.contract", "PIL.Image"} <= loaded


def test_a_worker_never_imports_torch() -> None:
    """It computes in another process."""
    more = "import services.image.pipeline, services.image.painters, fabula.backends.diffusers_image; "
    done = subprocess.run(
        [sys.executable, "-c", more + _LOADED], capture_output=True, text=True, check=True, timeout=60
    )

    assert not {"torch", "transformers", "diffusers"} & set(done.stdout.split())
