from __future__ import annotations

import subprocess
import sys

PARENT_MODULES = (
    "host",
    "json_answer",
    "open_text_model",
    "openai_text",
    "text",
    "text_pieces",
    "text_request",
    "text_settings",
    "transformers_text",
)
CHECK = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"fabula.backends.{name}")
print(sorted({"torch", "transformers", "tokenizers", "llguidance", "numpy"} & set(sys.modules)))
"""


def test_the_parents_side_never_imports_a_model_library() -> None:
    """Workers and servers start fast and need no torch."""
    found = subprocess.run(
        [sys.executable, "-c", CHECK, *PARENT_MODULES], capture_output=True, text=True, check=True, timeout=30
    )

    assert "[]" == found.stdout.strip()
