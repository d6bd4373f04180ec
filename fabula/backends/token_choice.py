"""Choosing the next token: temperature, nucleus, seed and grammar. Child process only; it must not know text."""

from __future__ import annotations

import json
import math
import random

import torch
from llguidance import LLMatcher, LLTokenizer
from transformers import LogitsProcessor

from fabula.backends.text import JsonSchema, Sampling
from fabula.errors import InvalidRequest, ModelCrashed, ModelOutputInvalid

# One line break and some indentation: enough for readable JSON, too little for a small model to lose itself in blanks.
_JSON_WHITESPACE = r"\n? {0,8}"


class Grammar:
    """Which tokens may come next, so that the answer becomes JSON of the schema.

    Args:
        tokeniser: The model's vocabulary, as llguidance wants it.
        schema: What the whole answer must satisfy.
        prefix_tokens: What the answer already says.

    Raises:
        InvalidRequest: the schema uses what llguidance cannot enforce.
        ModelOutputInvalid: the prefix breaks the schema already.
    """

    def __init__(self, tokeniser: LLTokenizer, schema: JsonSchema, prefix_tokens: list[int]) -> None:
        grammar = LLMatcher.grammar_from_json_schema(
            json.dumps(schema), overrides={"whitespace_pattern": _JSON_WHITESPACE}
        )
        self._matcher = LLMatcher(tokeniser, grammar)
        if self._matcher.is_error():
            raise InvalidRequest(f"This JSON Schema cannot be enforced: {self._matcher.get_error()}")
        if not self._matcher.consume_tokens(prefix_tokens):
            raise ModelOutputInvalid("What the answer already says does not fit its schema; write it anew.")

    @property
    def is_complete(self) -> bool:
        """Whether the JSON is complete and nothing may follow."""
        return self._matcher.is_stopped()

    def restrict(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with the tokens that may not come next at minus infinity."""
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8) != 0
        allowed = allowed[: scores.shape[-1]].to(scores.device)
        return scores[: allowed.shape[0]].masked_fill(~allowed, -math.inf)

    def consume(self, token: int) -> None:
        """Go on by the token that was chosen."""
        if not self._matcher.consume_token(token):
            raise ModelOutputInvalid(f"The answer left its schema: {self._matcher.get_error()}")


class TokenChoice(LogitsProcessor):
    """Chooses each token itself and leaves `generate` nothing but to take it.

    The chance of a token is drawn from the seed *and* the token's place in the answer, not from a generator that runs
    along: an answer continued after its first n tokens draws what it would have drawn without the interruption.

    Args:
        sampling: Temperature, nucleus and seed.
        place: How many tokens the answer has already.
        grammar: What may come at all.
    """

    def __init__(self, sampling: Sampling, place: int, grammar: Grammar | None) -> None:
        self._sampling = sampling
        self._seed = random.SystemRandom().getrandbits(64) if sampling.seed is None else sampling.seed
        self._place = place
        self._grammar = grammar

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the library's
        """Return scores in which one token is left; a batch of one is what it takes."""
        token = self._choose(scores[0] if self._grammar is None else self._grammar.restrict(scores[0]))
        self._place += 1
        chosen = torch.full_like(scores, -math.inf)
        chosen[0, token] = 0.0
        return chosen

    def _choose(self, scores: torch.Tensor) -> int:
        if self._sampling.temperature <= 0:
            token = int(scores.argmax())
        else:
            chance = random.Random(f"{self._seed}/{self._place}").random()
            token = _draw(scores / self._sampling.temperature, self._sampling.top_p, chance)
        if not math.isfinite(float(scores[token])):
            raise ModelCrashed(
                "it computed numbers that are none (NaN); its dtype is too small for it, set FABULA_DTYPE=bfloat16 "
                "or float32"
            )
        return token


def _draw(scores: torch.Tensor, top_p: float, chance: float) -> int:
    """Take the token at `chance` (0–1) of the nucleus, the likeliest first."""
    ordered, tokens = torch.sort(torch.softmax(scores, dim=-1), descending=True, stable=True)
    reached = ordered.cumsum(dim=-1)
    nucleus = int((reached - ordered < top_p).sum())  # the tokens that begin below top_p: at least one
    place = int(torch.searchsorted(reached, reached[nucleus - 1] * chance, right=True))
    return int(tokens[min(place, nucleus - 1)])
