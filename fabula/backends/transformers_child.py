"""The child's side of the `transformers` adapter: loads a causal language model and writes answers with it.

Imported in a host's child process and nowhere else: it imports torch.
"""

from __future__ import annotations

import os

# Before transformers is imported: it reads these once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from fabula.errors import ModelUnavailable

try:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from fabula.backends.chat_prompt import to_prompt
    from fabula.backends.transformers_loading import load_parts
    from fabula.backends.transformers_writer import Writer
except ModuleNotFoundError as missing:
    raise ModelUnavailable(
        f'the package {missing.name} is not installed; in Fabula\'s folder: pip install ".[torch]"'
    ) from missing

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.text_request import LanguageModelConfig, TextRequest


def load(config: JsonObject) -> CausalModel:
    """Load the model; the host's factory."""
    return CausalModel(LanguageModelConfig.from_json(config))


class CausalModel:
    """A causal language model with its tokeniser.

    Args:
        config: Which, and how.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """

    def __init__(self, config: LanguageModelConfig) -> None:
        self._tokeniser, model = load_parts(config, AutoTokenizer, AutoModelForCausalLM)
        self._writer = Writer(self._tokeniser, model, config)
        self.details = self._writer.details

    def run(self, work: Work) -> None:
        """Write one answer; see `Writer.write`."""
        request = TextRequest.from_json(work.request)
        prompt = to_prompt(self._tokeniser, request.messages, request.prefix)
        self._writer.write(work, request, prompt, {})
