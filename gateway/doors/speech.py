"""What is said on a plain WebSocket: the payloads of a dialect, as one text message each.

A message is encoded and framed once for each entry, and the same bytes go to every socket on which it is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gateway.dialects.dialect import Dialect
from gateway.doors.outlet import Messages
from gateway.entries import SharedEntry
from gateway.fan import Form
from gateway.frames import frame_bytes

DOOR = "dialect_socket"

_SEPARATOR = "\n"
"""Between the messages of one entry as they are kept: JSON on one line has none."""


@dataclass(frozen=True, slots=True)
class NewestForm(Form):
    """A form of which only the newest of several entries is sent that say anything: it replaces those before."""

    def chosen(self, entries: Sequence[SharedEntry]) -> Sequence[SharedEntry]:
        """Return those of a batch that are sent."""
        return next(([entry] for entry in reversed(entries) if self.of(entry)), ())


@dataclass(frozen=True, slots=True)
class Speech:
    """How a dialect is spoken on sockets.

    Attributes:
        form: How entries go over a pipe.
        behind: How they go to a client that has not kept up: where each message replaces the one before, only the
            newest of those that it could not take; else all of them.
        messages: What an entry says, for servers without pipes.
        sign_of_life: Message that is sent to who would otherwise hear nothing; empty for none.
        silent_seconds: How long nothing is heard before that.
    """

    form: Form
    behind: Form
    messages: Messages
    sign_of_life: str = ""
    silent_seconds: float = 0.0


def speech_of(
    dialect: Dialect,
    name: str = "",
    *,
    replaces: bool = False,
    sign_of_life: Mapping[str, Any] | None = None,
    silent_seconds: float = 0.0,
) -> Speech:
    """Return how a dialect is spoken. Keep it: who watches the same with the same speech shares its bytes.

    Args:
        dialect: One that does not fold.
        name: What else its messages depend on, beside the entry.
        replaces: Whether each message replaces the one before.
        sign_of_life: See `Speech`.
        silent_seconds: See `Speech`.
    """
    assert not dialect.folds  # noqa: S101 - a folding dialect's messages depend on more than their entry
    translator = dialect.translator(name)
    kept_as = f"{DOOR} {dialect.name} {name}"

    def encode(entry: SharedEntry) -> str:
        return _SEPARATOR.join(text_of(payload.data) for payload in translator.payloads(entry))

    def messages(entry: SharedEntry) -> Iterable[str]:
        text = cast("str", entry.frame(kept_as, encode))
        return text.split(_SEPARATOR) if text else ()

    def frames(entry: SharedEntry) -> bytes:
        return b"".join(frame_bytes(message) for message in messages(entry))

    form = Form(f"{kept_as} in frames", frames, DOOR)
    behind = NewestForm(form.name, frames, DOOR) if replaces else form
    return Speech(form, behind, messages, text_of(sign_of_life) if sign_of_life else "", silent_seconds)


def text_of(content: Mapping[str, Any]) -> str:
    """Return a message as one line of JSON."""
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
