"""Cutting an answer into pieces that may be shown: whole characters, and nothing beyond a stop string. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_UNFINISHED = "\ufffd"  # what decoders put for bytes that are no character, or not one yet
_CONTEXT_TOKENS = 6
# A character has at most four bytes, so at most four tokens. What is still no character then will never be one.
_UNFINISHED_TOKENS = 4


class Detokeniser:
    """Turns tokens into text one by one, so that the pieces joined are the text of all.

    A token alone does not tell its text: a character may be spread over several, and some tokenisers put a space before
    a token that follows another. So each is decoded together with the few before it.

    Args:
        decode: The tokeniser's own way from ids to text.
        before: The tokens that the answer already has.
    """

    def __init__(self, decode: Callable[[list[int]], str], before: Sequence[int] = ()) -> None:
        self._decode = decode
        self._tokens = list(before)[-_CONTEXT_TOKENS:]
        self._shown = len(self._tokens)

    def push(self, token: int) -> str:
        """Return what the answer has gained with this token; empty while a character is unfinished."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        unfinished = len(self._tokens) - self._shown
        if text.endswith(_UNFINISHED) and unfinished < _UNFINISHED_TOKENS:
            return ""
        return self._show(text)

    def finish(self) -> str:
        """Return what was held back, when no more tokens come."""
        return self._show(self._decode(self._tokens))

    def _show(self, text: str) -> str:
        piece = text[len(self._decode(self._tokens[: self._shown])) :]
        # What is broken must not be completed later by the token after it: it was shown as broken.
        self._tokens = [] if text.endswith(_UNFINISHED) else self._tokens[-_CONTEXT_TOKENS:]
        self._shown = len(self._tokens)
        return piece


class StopCutter:
    """Ends an answer before the first stop string, and never shows the beginning of one.

    Args:
        stops: The strings; empty ones are ignored.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def push(self, piece: str) -> str:
        """Return what may be shown now. Once `stopped`, nothing more is."""
        if self.stopped:
            return ""
        text = self._held + piece
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        held = self._beginning_of_stop(text)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def finish(self) -> str:
        """Return what was held back, when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _beginning_of_stop(self, text: str) -> int:
        """Return how many characters at the end of the text may begin a stop string."""
        lengths = [
            length
            for stop in self._stops
            for length in range(1, min(len(stop), len(text) + 1))
            if text.endswith(stop[:length])
        ]
        return max(lengths, default=0)
