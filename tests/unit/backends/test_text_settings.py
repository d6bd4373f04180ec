from __future__ import annotations

import pytest

from fabula.backends.open_text_model import open_text_model
from fabula.backends.openai_text import OpenAIText
from fabula.backends.text_settings import OpenAISettings, TransformersSettings, parse_text_model
from fabula.backends.transformers_text import TransformersText
from fabula.errors import InvalidRequest


@pytest.mark.parametrize("spec", ["", "  "])
def test_an_empty_spec_names_no_model(spec: str) -> None:
    """Nothing configured is nothing, not an error."""
    assert parse_text_model(spec) is None


@pytest.mark.parametrize(
    ("spec", "source", "is_folder", "revision"),
    [
        ("transformers:/models/a@b", "/models/a@b", True, None),
        ("transformers:./a", "./a", True, None),
        ("transformers:~/a", "~/a", True, None),
        ("transformers:org/model", "org/model", False, None),
        ("transformers:org/model-1.5B@0a1b2c", "org/model-1.5B", False, "0a1b2c"),
        ("transformers:gpt2@refs/pr/3", "gpt2", False, "refs/pr/3"),
    ],
)
def test_a_local_model_is_a_folder_or_an_id_with_a_revision(
    spec: str, source: str, is_folder: bool, revision: str | None
) -> None:
    """Folders have no revisions: an @ in a folder's name is part of it."""
    assert TransformersSettings(source, is_folder, revision) == parse_text_model(spec)


@pytest.mark.parametrize(
    ("spec", "model", "base_url"),
    [
        ("openai:llama3.2@http://localhost:11434/v1", "llama3.2", "http://localhost:11434/v1"),
        ("openai:org/m:8b@https://h.example/v1/", "org/m:8b", "https://h.example/v1"),
        ("openai:odd@name@http://[::1]:8000/v1", "odd@name", "http://[::1]:8000/v1"),
    ],
)
def test_an_endpoint_is_a_model_at_an_address(spec: str, model: str, base_url: str) -> None:
    """Names of models may hold colons, slashes and an @."""
    assert OpenAISettings(model, base_url, api_key="k", continues=True) == parse_text_model(
        spec, api_key="k", continues=True
    )


@pytest.mark.parametrize(
    ("spec", "siblings", "words"),
    [
        ("llama", {}, "FABULA_TEXT_MODEL is transformers:"),
        ("transformers:", {}, "FABULA_TEXT_MODEL is transformers:"),
        ("openai:model", {}, "it is 'openai:model'"),
        ("openai:@http://h/v1", {}, "it is 'openai:@http://h/v1'"),
        ("openai:m@ftp://h/v1", {}, "it is 'openai:m@ftp"),
        ("openai:m@http://user:secret@h/v1", {}, "set FABULA_TEXT_API_KEY"),
        ("transformers:a/b/c", {}, "neither a model's id on the hub nor a folder"),
        ("transformers:org/m", {"allow_download": True}, "needs its revision"),
        ("transformers:./m", {"device": "gpu"}, "FABULA_DEVICE"),
        ("transformers:./m", {"dtype": "int8"}, "FABULA_DTYPE"),
    ],
)
def test_a_spec_that_names_nothing_says_what_is_expected(spec: str, siblings: dict[str, bool], words: str) -> None:
    """The message shows the form, or names the variable."""
    with pytest.raises(InvalidRequest, match=words) as refusal:
        parse_text_model(spec, **siblings)  # type: ignore[arg-type]  # values of several types

    assert "secret" not in str(refusal.value)


def test_a_key_is_not_in_the_repr() -> None:
    """Settings may be logged."""
    assert "sk-1" not in repr(parse_text_model("openai:m@http://h/v1", api_key="sk-1"))


async def test_settings_open_the_adapter_that_they_name() -> None:
    """Nothing is loaded or connected by opening."""
    local = open_text_model(parse_text_model("transformers:./no-such-folder"))
    remote = open_text_model(parse_text_model("openai:m@http://h/v1"))

    assert open_text_model(None) is None
    assert (TransformersText, "no-such-folder") == (type(local), local.name if local else "")
    assert (OpenAIText, "m") == (type(remote), remote.name if remote else "")
    for model in (local, remote):
        assert model is not None
        await model.close()
