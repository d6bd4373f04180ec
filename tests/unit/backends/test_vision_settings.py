from __future__ import annotations

import pytest

from fabula.backends.open_vision_model import open_vision_model
from fabula.backends.openai_vision import OpenAIVision
from fabula.backends.text_settings import OpenAISettings, TransformersSettings
from fabula.backends.transformers_vision import TransformersVision
from fabula.backends.vision_settings import VISION_SETTING, parse_vision_model
from fabula.errors import InvalidRequest
from fabula.settings import VisionModelSettings


def test_nothing_configured_is_the_bundled_looker() -> None:
    """It is no model that can be asked, so there is none to open."""
    assert parse_vision_model(VisionModelSettings()) is None
    assert open_vision_model(None) is None


def test_a_local_model_is_named_as_language_models_are() -> None:
    """Device, numbers and revision are taken over."""
    settings = VisionModelSettings(vision_model="transformers:org/seer@0a1b", device="cpu", dtype="bfloat16")

    assert TransformersSettings(
        "org/seer", is_folder=False, revision="0a1b", device="cpu", dtype="bfloat16", setting=VISION_SETTING
    ) == parse_vision_model(settings)


def test_an_endpoint_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the model that writes is not sent to the one that looks."""
    monkeypatch.setenv("FABULA_VISION_MODEL", "openai:llava@http://h/v1")
    monkeypatch.setenv("FABULA_VISION_API_KEY", "k")
    monkeypatch.setenv("FABULA_TEXT_API_KEY", "other")
    settings = parse_vision_model(VisionModelSettings())

    assert OpenAISettings("llava", "http://h/v1", api_key="k", setting=VISION_SETTING) == settings
    assert isinstance(settings, OpenAISettings)
    assert "FABULA_VISION_API_KEY" == settings.key_setting


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("llava", "FABULA_VISION_MODEL is transformers:"),
        ("openai:m@http://user:secret@h/v1", "set FABULA_VISION_API_KEY"),
        ("openai:m", "FABULA_VISION_MODEL is transformers:"),
    ],
)
def test_a_mistake_names_this_setting(spec: str, words: str) -> None:
    """Not that of the model that writes."""
    with pytest.raises(InvalidRequest, match=words) as refusal:
        parse_vision_model(VisionModelSettings(vision_model=spec))

    assert "secret" not in str(refusal.value)


async def test_settings_open_the_adapter_that_they_name() -> None:
    """Nothing is loaded or connected by opening."""
    local = open_vision_model(TransformersSettings("./no-such-folder", is_folder=True))
    remote = open_vision_model(OpenAISettings("m", "http://h/v1"))

    assert (TransformersVision, OpenAIVision) == (type(local), type(remote))
    for model in (local, remote):
        assert model is not None
        await model.close()
