"""What a character server loads: it starts quickly, and makes nobody up."""

from __future__ import annotations

import subprocess
import sys

_LOADED = "import sys, services.character.__main__, services.character.contract; print(*sys.modules)"


def test_a_server_loads_neither_prompts_nor_lexicons() -> None:
    """Nor models, nor what looks at pictures; only what cleans them."""
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())

    unwanted = {"torch", "transformers", "numpy", "jinja2", "services.character.grammar", "services.character.stages"}
    assert not unwanted & loaded
    assert {"services.character.library", "PIL.Image"} <= loaded


def test_a_worker_never_imports_torch() -> None:
    """It computes in another process."""
    more = "import services.character.pipeline, services.character.makers, services.character.readers; "
    done = subprocess.run(
        [sys.executable, "-c", more + _LOADED], capture_output=True, text=True, check=True, timeout=60
    )

    assert not {"torch", "transformers", "diffusers"} & set(done.stdout.split())
