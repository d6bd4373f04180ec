from __future__ import annotations

import subprocess
import sys

PARENT_MODULES = (
    "host",
    "image",
    "image_check",
    "image_settings",
    "json_answer",
    "open_image_model",
    "open_text_model",
    "open_vision_model",
    "openai_text",
    "openai_vision",
    "text",
    "text_pieces",
    "text_request",
    "text_settings",
    "transformers_text",
    "transformers_vision",
    "vision",
    "vision_settings",
)
PAINTING_MODULES = ("diffusers_image", "painting.card", "painting.dispatcher", "painting.previewing")
CHECK = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"fabula.backends.{name}")
libraries = {"torch", "transformers", "diffusers", "tokenizers", "safetensors", "llguidance", "numpy"}
print(sorted(libraries & set(sys.modules)))
"""


def imported_with(modules: tuple[str, ...]) -> str:
    """Return which libraries a process has imported that imports these modules."""
    found = subprocess.run(
        [sys.executable, "-c", CHECK, *modules], capture_output=True, text=True, check=True, timeout=30
    )
    return found.stdout.strip()


def test_the_parents_side_never_imports_a_model_library() -> None:
    """Workers and servers start fast and need no torch."""
    assert "[]" == imported_with(PARENT_MODULES)


def test_who_paints_imports_numpy_for_previews_and_no_more() -> None:
    """Pillow and numpy are small; what paints is in the child."""
    assert "['numpy']" == imported_with(PAINTING_MODULES)


def test_who_measures_pictures_imports_numpy_and_no_more() -> None:
    """The looker is no model."""
    assert "['numpy']" == imported_with(("looker",))
