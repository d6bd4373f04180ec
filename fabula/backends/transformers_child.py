"""The child's side of the `transformers` adapter: loads a causal language model and writes answers with it.

Imported in a host's child process and nowhere else: it imports torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Before transformers is imported: it reads these once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from fabula.errors import InvalidRequest, ModelUnavailable

try:
    import llguidance.hf
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        PreTrainedTokenizerBase,
        PreTrainedTokenizerFast,
        StoppingCriteria,
    )
except ModuleNotFoundError as missing:
    raise ModelUnavailable(
        f'the package {missing.name} is not installed; in Fabula\'s folder: pip install ".[torch]"'
    ) from missing

from fabula.backends.chat_prompt import Prompt, to_prompt
from fabula.backends.devices import choose_device, choose_dtype
from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.text import JsonSchema
from fabula.backends.text_pieces import Detokeniser, StopCutter
from fabula.backends.text_request import CausalModelConfig, TextRequest
from fabula.backends.token_choice import Grammar, TokenChoice


def load(config: JsonObject) -> CausalModel:
    """Load the model; the host's factory."""
    return CausalModel(CausalModelConfig.from_json(config))


class CausalModel:
    """A causal language model with its tokeniser.

    Args:
        config: Which, and how.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """

    def __init__(self, config: CausalModelConfig) -> None:
        device = choose_device(config.device)
        dtype = choose_dtype(config.dtype, device)
        self._tokeniser, self._model = _load(config, dtype)
        self._model.to(device).eval()
        self._window: int | None = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        self._ends = _end_tokens(self._tokeniser, self._model)
        self._guide: llguidance.LLTokenizer | None = None  # made when the first schema comes; takes a second
        self.details: JsonObject = {
            "device": str(device),
            "dtype": str(dtype).removeprefix("torch."),
            "window": self._window,
            "commit": getattr(self._model.config, "_commit_hash", None),
        }

    def run(self, work: Work) -> None:
        """Write one answer: items `{"text": …}`, and last `{"finish": "stop" | "length", "tokens": n}`."""
        request = TextRequest.from_json(work.request)
        prompt = to_prompt(self._tokeniser, request.messages, request.prefix)
        limit = request.sampling.max_tokens - len(prompt.prefix_tokens)
        self._check_window(prompt, max(0, limit))
        grammar = None if request.schema is None else self._grammar(request.schema, prompt.prefix_tokens)
        answer = Answer(
            work,
            Detokeniser(self._decode, prompt.prefix_tokens),
            StopCutter((*request.sampling.stop, *prompt.stops)),
            self._ends,
            grammar,
        )
        if limit > 0 and not answer.is_over:
            self._generate(prompt, limit, TokenChoice(request.sampling, len(prompt.prefix_tokens), grammar), answer)
        answer.finish()

    def _generate(self, prompt: Prompt, limit: int, choice: TokenChoice, answer: Answer) -> None:
        tokens = torch.tensor([prompt.tokens + prompt.prefix_tokens], device=self._model.device)
        with torch.inference_mode():
            self._model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=limit,
                do_sample=False,  # `choice` has drawn already, and leaves one token to take
                num_beams=1,
                logits_processor=[choice],
                stopping_criteria=[answer],
                disable_compile=True,  # minutes of compiler for an answer of seconds, and a compiler to have
            )

    def _check_window(self, prompt: Prompt, limit: int) -> None:
        length = len(prompt.tokens) + len(prompt.prefix_tokens)
        if self._window is not None and length + limit > self._window:
            raise InvalidRequest(
                f"The text has {length} tokens and the answer may have {limit} more, but the model's window holds "
                f"{self._window}. Shorten the text, or allow fewer tokens."
            )

    def _grammar(self, schema: JsonSchema, prefix_tokens: list[int]) -> Grammar:
        if not isinstance(self._tokeniser, PreTrainedTokenizerFast):
            raise InvalidRequest(
                "This model's tokeniser is not a fast one, so that its answers cannot be held to a schema."
            )
        if self._guide is None:
            width = self._model.config.get_text_config().vocab_size
            self._guide = llguidance.hf.from_tokenizer(
                self._tokeniser, n_vocab=max(width, len(self._tokeniser)), eos_token=sorted(self._ends)
            )
        return Grammar(self._guide, schema, prefix_tokens)

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokeniser.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class Answer(StoppingCriteria):
    """Takes each token as it is chosen, sends what may be shown, and tells `generate` when to stop.

    It is a stopping criterion and not a streamer because this is the one place that every device calls at every token;
    streamers are called a token late on some.
    """

    def __init__(
        self, work: Work, detokeniser: Detokeniser, cutter: StopCutter, ends: frozenset[int], grammar: Grammar | None
    ) -> None:
        self._work = work
        self._detokeniser = detokeniser
        self._cutter = cutter
        self._ends = ends
        self._grammar = grammar
        self._tokens = 0
        self.is_over = grammar is not None and grammar.is_complete

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ARG002 - the library's
        """Take the newest token; a batch of one is what it takes."""
        if not self.is_over:  # some devices compute one token more before they look at the answer
            self._work.check()
            self._take(int(input_ids[0, -1]))
        return torch.tensor([self.is_over], device=input_ids.device)

    def finish(self) -> None:
        """Send what was held back, and how the answer ended."""
        self._show(self._cutter.push(self._detokeniser.finish()) + self._cutter.finish())
        finish = "stop" if self.is_over or self._cutter.stopped else "length"
        self._work.emit({"finish": finish, "tokens": self._tokens})

    def _take(self, token: int) -> None:
        if token in self._ends:
            self.is_over = True
            return
        self._tokens += 1
        self._show(self._cutter.push(self._detokeniser.push(token)))
        if self._grammar is not None:
            self._grammar.consume(token)
        self.is_over = self._cutter.stopped or (self._grammar is not None and self._grammar.is_complete)

    def _show(self, text: str) -> None:
        if text:
            self._work.emit({"text": text})


def _load(config: CausalModelConfig, dtype: torch.dtype) -> tuple[PreTrainedTokenizerBase, Any]:
    if config.is_folder and not Path(config.source).is_dir():
        raise ModelUnavailable(f"there is no folder {config.source}; set FABULA_TEXT_MODEL to one that holds a model")
    where: dict[str, Any] = {
        "revision": config.revision or "main",
        "local_files_only": config.is_folder or not config.allow_download,
        "trust_remote_code": False,
    }
    try:
        tokeniser = AutoTokenizer.from_pretrained(config.source, **where)
        model = AutoModelForCausalLM.from_pretrained(config.source, dtype=dtype, use_safetensors=True, **where)
    except OSError as error:
        raise ModelUnavailable(_why_not(config, error)) from error
    return tokeniser, model


def _why_not(config: CausalModelConfig, error: OSError) -> str:
    said = str(error).splitlines()[0]
    if config.is_folder:
        return f"the folder {config.source} holds no model that may be loaded, with weights in safetensors ({said})"
    if config.allow_download:
        return f"it is not on this machine and could not be fetched ({said})"
    return f"it is not on this machine; fetch it once with `hf download {config.source}` ({said})"


def _end_tokens(tokeniser: PreTrainedTokenizerBase, model: Any) -> frozenset[int]:
    """Collect the tokens that end an answer; chat models often name more than their tokeniser does."""
    named = model.generation_config.eos_token_id
    ends = named if isinstance(named, list) else [named]
    return frozenset(token for token in (*ends, tokeniser.eos_token_id) if token is not None)
