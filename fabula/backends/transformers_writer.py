"""Writing one answer with a loaded model, token by token. Child process only.

What the models that read and those that look at pictures have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llguidance.hf
import torch
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, StoppingCriteria

from fabula.backends.chat_prompt import Prompt
from fabula.backends.devices import choose_device, choose_dtype
from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.text import JsonSchema
from fabula.backends.text_pieces import Detokeniser, StopCutter
from fabula.backends.text_request import LanguageModelConfig, TextRequest
from fabula.backends.token_choice import Grammar, TokenChoice
from fabula.errors import InvalidRequest


class Writer:
    """Writes answers with a model that generates text.

    Args:
        tokeniser: The model's.
        model: The model; it is moved to the device.
        config: Which device and numbers.
    """

    def __init__(self, tokeniser: PreTrainedTokenizerBase, model: Any, config: LanguageModelConfig) -> None:
        device = choose_device(config.device)
        self._tokeniser, self._model = tokeniser, model
        self._model.to(device).eval()
        self._window: int | None = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        self._ends = _end_tokens(self._tokeniser, self._model)
        self._guide: llguidance.LLTokenizer | None = None  # made when the first schema comes; takes a second
        self.details: JsonObject = {
            "device": str(device),
            "dtype": str(choose_dtype(config.dtype, device)).removeprefix("torch."),
            "window": self._window,
            "commit": getattr(self._model.config, "_commit_hash", None),
        }

    def write(self, work: Work, request: TextRequest, prompt: Prompt, more: Mapping[str, torch.Tensor]) -> None:
        """Write one answer: items `{"text": …}`, and last `{"finish": "stop" | "length", "tokens": n}`.

        Args:
            work: Where the answer goes.
            request: What is wanted.
            prompt: The same in tokens.
            more: What the model is given beside the tokens: pixels, as its processor has made them.
        """
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
            choice = TokenChoice(request.sampling, len(prompt.prefix_tokens), grammar)
            self._generate(prompt, limit, choice, answer, more)
        answer.finish()

    def _generate(
        self, prompt: Prompt, limit: int, choice: TokenChoice, answer: Answer, more: Mapping[str, torch.Tensor]
    ) -> None:
        tokens = torch.tensor([prompt.tokens + prompt.prefix_tokens], device=self._model.device)
        with torch.inference_mode():
            self._model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                **{name: self._fitted(values) for name, values in more.items()},
                max_new_tokens=limit,
                do_sample=False,  # `choice` has drawn already, and leaves one token to take
                num_beams=1,
                logits_processor=[choice],
                stopping_criteria=[answer],
                disable_compile=True,  # minutes of compiler for an answer of seconds, and a compiler to have
            )

    def _fitted(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values where the model is, and in its numbers where they are not counts."""
        return values.to(self._model.device, self._model.dtype if values.is_floating_point() else values.dtype)

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


def _end_tokens(tokeniser: PreTrainedTokenizerBase, model: Any) -> frozenset[int]:
    """Collect the tokens that end an answer; chat models often name more than their tokeniser does."""
    named = model.generation_config.eos_token_id
    ends = named if isinstance(named, list) else [named]
    return frozenset(token for token in (*ends, tokeniser.eos_token_id) if token is not None)
