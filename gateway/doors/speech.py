"""What is said on a plain WebSocket: the payloads of a dialect, as one text message each.

A message is encoded and framed once for each entry, and the same bytes go to every socket on which it is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
class Speech:
    """How a dialect is spoken on sockets.

    Attributes:
        form: How entries go over a pipe.
        messages: What an entry says, for servers without pipes.
        sign_of_life: Message that is sent to who would otherwise hear nothing; empty for none.
        silent_seconds: How long nothing is heard before that.
    """

    form: Form
    messages: Messages
    sign_of_life: str = ""
    silent_seconds: float = 0.0


def speech_of(
    dialect: Dialect,
    name: str = "",
    *,
    sign_of_life: Mapping[str, Any] | None = None,
    silent_seconds: float = 0.0,
) -> Speech:
    """Return how a dialect is spoken. Keep it: who watches the same with the same speech shares its bytes.

    Args:
        dialect: One that does not fold.
        name: What else its messages depend on, beside the entry.
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
    return Speech(form, messages, text_of(sign_of_life) if sign_of_life else "", silent_seconds)


def text_of(content: Mapping[str, Any]) -> str:
    """Return a message as one line of JSON."""
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
