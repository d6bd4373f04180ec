from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fabula.backends.image import ImageCard
from fabula.backends.image_settings import DiffusersSettings, ModelSource, PipelineSettings
from fabula.backends.painting.card import Hints, make_card, projection_of, read_hints
from fabula.backends.painting.previews import STABLE_DIFFUSION, STABLE_DIFFUSION_XL
from fabula.errors import ModelUnavailable

SDXL: dict[str, Any] = {
    "folder": "/models/sdxl",
    "family": "StableDiffusionXL",
    "default_width": 1024,
    "default_height": 1024,
    "multiple": 8,
    "channels": 4,
    "latent_space": "SDXL",
    "takes_source": True,
    "suits": None,
    "guidance_is_an_input": False,
    "trailing": False,
    "schedulers": [["euler", True], ["heun", False]],
    "decoder": False,
    "prompt_tokens": 75,
    "device": "cuda:0",
    "dtype": "bfloat16",
    "threads": 8,
    "libraries": "torch 2.13.0",
    "fingerprint": "f" * 64,
}
SOURCE = ModelSource("/models/sdxl", is_folder=True, revision=None, setting="FABULA_IMAGE_MODEL")


def card(hints: Hints | None = None, settings: dict[str, Any] | None = None, **details: Any) -> ImageCard:
    """Make a card."""
    return make_card(
        {**SDXL, **details}, hints or Hints(), DiffusersSettings(PipelineSettings(SOURCE), **(settings or {}))
    )


@pytest.mark.parametrize(
    ("details", "steps", "high_quality", "guidance"),
    [
        ({}, 30, 50, 5.0),
        ({"family": "StableDiffusion"}, 30, 50, 7.5),
        ({"schedulers": [["lcm", True]]}, 4, 8, 1.0),
        ({"schedulers": [["lcm", True]], "guidance_is_an_input": True}, 4, 8, 8.0),
        ({"schedulers": [["euler-ancestral", True]], "trailing": True}, 4, 8, 0.0),
        ({"schedulers": [["euler-ancestral", True]]}, 30, 50, 5.0),
    ],
)
def test_defaults_suit_the_family(details: dict[str, Any], steps: int, high_quality: int, guidance: float) -> None:
    """Models that were taught to paint in few steps are known by their schedulers."""
    made = card(**details)

    assert (steps, high_quality, guidance) == (made.default_steps, made.high_quality_steps, made.default_guidance)


def test_settings_go_before_hints_and_hints_before_the_family() -> None:
    """And none of them beyond the most steps that are allowed."""
    hints = Hints(default_steps=24, high_quality_steps=60, default_guidance=3.0, default_handover=0.7, max_side=256)

    assert (24, 60, 3.0, 0.7) == of(card(hints))
    assert (12, 60, 0.0, 0.7) == of(card(hints, {"default_steps": 12, "default_guidance": 0.0}))
    assert (20, 20, 3.0, 0.7) == of(card(hints, {"max_steps": 20}))
    assert (64, 256) == (card(hints).min_side, card(hints).max_side)


def of(made: ImageCard) -> tuple[int, int, float, float]:
    """Return what is taken where a request says nothing."""
    return made.default_steps, made.high_quality_steps, made.default_guidance, made.default_handover


def test_the_smallest_side_is_a_multiple_too() -> None:
    """Of whatever the model says, and no larger than its own size."""
    assert (8, 64) == (card().side_multiple, card().min_side)
    assert (48, 96) == (card(multiple=48).side_multiple, card(multiple=48).min_side)
    assert (8, 40) == (card(default_width=40).side_multiple, card(default_width=40).min_side)


def test_what_a_call_says_goes_before_the_family() -> None:
    """A pipeline that takes no guidance is given none, whatever settings and hints say."""
    suits = {"steps": 28, "high_quality_steps": 46, "guidance": 3.5}
    unguided = card(Hints(default_guidance=3.0), {"default_guidance": 2.0}, suits={**suits, "guidance": None})

    assert (28, 46, 3.5, 0.8) == of(card(suits=suits))
    assert (0.0, 0.0) == (unguided.default_guidance, unguided.max_guidance)
    assert 4.0 == card(settings={"default_guidance": 4.0}, suits=suits).default_guidance


def test_previews_need_a_latent_space_that_is_known_or_a_decoder() -> None:
    """The card says how they are made."""
    assert ("linear", "", "decoder") == (
        card().previews,
        card(channels=16).previews,
        card(channels=16, decoder=True).previews,
    )
    assert STABLE_DIFFUSION_XL == projection_of(SDXL, Hints())
    assert STABLE_DIFFUSION == projection_of({**SDXL, "latent_space": "SD"}, Hints())


def test_a_folder_may_bring_hints(tmp_path: Path) -> None:
    """All of them are optional, and so is the file."""
    assert Hints() == read_hints(tmp_path)
    preview = {"factors": [[1, 0, 0]] * 16, "bias": [0.5, 0, 0]}
    (tmp_path / "fabula.json").write_text(json.dumps({"default_steps": 25, "preview": preview}))
    hints = read_hints(tmp_path)

    assert 25 == hints.default_steps
    assert "linear" == card(hints, channels=16).previews
    assert "" == card(hints).previews  # its factors are not for these channels


@pytest.mark.parametrize("text", ["no JSON", '{"default_stepz": 3}', '{"preview": {"factors": [[1, 2]]}}', "[]"])
def test_hints_that_cannot_be_used_name_their_file(tmp_path: Path, text: str) -> None:
    """A slip of the pen is not passed over."""
    (tmp_path / "fabula.json").write_text(text)
    with pytest.raises(ModelUnavailable, match=r"fabula\.json cannot be used"):
        read_hints(tmp_path)
