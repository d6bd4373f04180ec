"""What the doctor says of models that are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fabula.cli.doctor_models import text_model, vision_model
from fabula.cli.findings import Finding, Verdict
from fabula.settings import UpSettings, load

MODELS = [(text_model, "text"), (vision_model, "vision")]


@pytest.mark.parametrize(("look", "name"), MODELS)
def test_what_is_bundled_needs_no_model(look: Callable[[UpSettings], Finding], name: str) -> None:
    """And is fine."""
    finding = look(load(UpSettings))

    assert (f"{name} model", Verdict.FINE) == (finding.about, finding.verdict)
    assert finding.text.startswith("none: ")


@pytest.mark.parametrize(("look", "name"), MODELS)
def test_what_is_wrong_is_told_with_the_setting_to_correct(
    look: Callable[[UpSettings], Finding], name: str, tmp_path: Path
) -> None:
    """A form that is not known, a folder without a model, one without weights; then it is fine."""

    def found(spec: str) -> Finding:
        return look(load(UpSettings, **{f"{name}_model": spec}))

    setting = f"FABULA_{name.upper()}_MODEL"
    for spec in ("magic", f"transformers:{tmp_path}", "openai:m@http://127.0.0.1:1/v1"):
        finding = found(spec)
        assert Verdict.PROBLEM is finding.verdict
        assert setting in f"{finding.text} {finding.advice}" or "Start it" in finding.advice
    (tmp_path / "config.json").write_text("{}")
    assert "no *.safetensors" in found(f"transformers:{tmp_path}").text
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert Verdict.FINE is found(f"transformers:{tmp_path}").verdict
    assert Verdict.NOTE is found("transformers:org/model@main").verdict
