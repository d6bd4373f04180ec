from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fabula.backends import painter
from fabula.backends.image_settings import DiffusersSettings, ModelSource, PipelineSettings, parse_image_model
from fabula.backends.open_image_model import open_image_model
from fabula.errors import InvalidRequest
from fabula.settings import ImageModelSettings


def parse(**settings: Any) -> DiffusersSettings:
    """Parse settings as the environment would give them."""
    return parse_image_model(ImageModelSettings(**settings))


def test_without_a_name_the_bundled_painter_paints_with_its_refiner() -> None:
    """It is named with its version, wherever it is installed."""
    pipeline = parse().pipeline

    assert (str(painter.BASE), str(painter.REFINER)) == (
        pipeline.base.place,
        pipeline.refiner and pipeline.refiner.place,
    )
    assert ("painter/1", "painter/1") == (pipeline.base.name, pipeline.refiner and pipeline.refiner.name)


def test_a_folder_is_named_by_its_last_part_and_has_no_refiner_unless_told() -> None:
    """The painter's refiner refines nothing but the painter's pictures."""
    pipeline = parse(image_model="diffusers:/models/my@model").pipeline

    assert ModelSource("/models/my@model", True, None, "FABULA_IMAGE_MODEL") == pipeline.base
    assert ("my@model", None) == (pipeline.base.name, pipeline.refiner)


def test_folders_may_begin_at_home() -> None:
    """`~` is the home of whoever runs the process."""
    assert str(Path.home() / "sdxl") == parse(image_model="diffusers:~/sdxl").pipeline.base.place


def test_a_hub_model_is_named_with_its_revision() -> None:
    """And the refiner and the decoder like it."""
    pipeline = parse(
        image_model="diffusers:org/base@main",
        image_refiner="diffusers:org/refiner@1f2e",
        image_preview_decoder="diffusers:org/taesd",
        allow_download=False,
    ).pipeline

    assert ("org/base@main", "org/refiner@1f2e") == (pipeline.base.name, pipeline.refiner and pipeline.refiner.name)
    assert pipeline.decoder is not None
    assert ("org/taesd", None, False) == (pipeline.decoder.place, pipeline.decoder.revision, pipeline.decoder.is_folder)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image_model": "sdxl"}, "FABULA_IMAGE_MODEL is diffusers:/a/folder or"),
        ({"image_model": "diffusers:"}, "FABULA_IMAGE_MODEL is diffusers:/a/folder or"),
        ({"image_refiner": "transformers:/a"}, "FABULA_IMAGE_REFINER is diffusers:"),
        ({"image_preview_decoder": "diffusers:a/b/c"}, "FABULA_IMAGE_PREVIEW_DECODER: 'a/b/c' is neither"),
        ({"image_model": "diffusers:org/base", "allow_download": True}, "needs its revision: diffusers:org/base@"),
    ],
)
def test_a_name_of_another_form_is_refused(settings: dict[str, Any], words: str) -> None:
    """The message names the setting and the form."""
    with pytest.raises(InvalidRequest, match=words):
        parse(**settings)


def test_everything_that_can_be_set_arrives() -> None:
    """Nothing of the settings is lost, on this side or on the child's."""
    settings = parse(
        device="cuda:1",
        dtype="float16",
        image_offload="model",
        image_attention_slicing=True,
        image_vae_tiling=True,
        image_compile=True,
        image_default_steps=20,
        image_default_guidance=0.0,
        image_max_steps=60,
        image_max_pixels=65536,
        image_batch=3,
        image_batch_wait_seconds=0.5,
    )
    pipeline = settings.pipeline

    assert ("cuda:1", "float16", "model") == (pipeline.device, pipeline.dtype, pipeline.offload)
    assert (True, True, True) == (pipeline.attention_slicing, pipeline.vae_tiling, pipeline.compile)
    assert (20, 0.0, 60, 65536) == (
        settings.default_steps,
        settings.default_guidance,
        settings.max_steps,
        settings.max_pixels,
    )
    assert (3, 0.5) == (settings.batch, settings.batch_wait_seconds)
    assert pipeline == PipelineSettings.from_json(dict(pipeline.to_json()))


def test_a_model_is_opened_without_being_loaded() -> None:
    """Names are known before anything is read."""
    assert "painter/1" == open_image_model(parse()).name
