"""Finding and loading a model of the `transformers` library. Child process only.

Weights are read from safetensors alone, and code that a model brings along is never run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fabula.backends.devices import choose_device, choose_dtype
from fabula.backends.text_request import LanguageModelConfig
from fabula.errors import ModelUnavailable


def load_parts(config: LanguageModelConfig, reader: Any, generator: Any) -> tuple[Any, Any]:
    """Load what reads the input (a tokeniser, a processor) and the model, which stays on the processor.

    Args:
        config: Which, and with which numbers.
        reader: The library's class that loads the former, `AutoTokenizer` or `AutoProcessor`.
        generator: The library's class that loads the model.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """
    if config.is_folder and not Path(config.source).is_dir():
        raise ModelUnavailable(f"there is no folder {config.source}; set {config.setting} to one that holds a model")
    where: dict[str, Any] = {
        "revision": config.revision or "main",
        "local_files_only": config.is_folder or not config.allow_download,
        "trust_remote_code": False,
    }
    dtype = choose_dtype(config.dtype, choose_device(config.device))
    try:
        return (
            reader.from_pretrained(config.source, **where),
            generator.from_pretrained(config.source, dtype=dtype, use_safetensors=True, **where),
        )
    except OSError as error:
        raise ModelUnavailable(_why_not(config, error)) from error


def _why_not(config: LanguageModelConfig, error: OSError) -> str:
    said = str(error).splitlines()[0]
    if config.is_folder:
        return f"the folder {config.source} holds no model that may be loaded, with weights in safetensors ({said})"
    if config.allow_download:
        return f"it is not on this machine and could not be fetched ({said})"
    return f"it is not on this machine; fetch it once with `hf download {config.source}` ({said})"
