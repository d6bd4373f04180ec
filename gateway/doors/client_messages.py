"""What clients of one-way sockets may say, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SHARE = 0.1
"""How much clients may say here of what they may say where they have something to say."""

QUIET = frozenset(("pong", "keep-alive", "keep_alive", "keepalive", "heartbeat"))
"""Types of messages that call for no answer."""

PONG = {"type": "pong"}
ADVICE = 'nothing but {"type": "ping"} is understood here: this socket only tells how far the work is'


def answer_to(text: str) -> Mapping[str, Any] | None:
    """Return what is answered to a message: `pong` to a ping, an error to what nobody understands; None for nothing."""
    kind = _kind_of(text)
    if kind == "ping":
        return PONG
    if kind in QUIET:
        return None
    return {"type": "error", "code": "INVALID_REQUEST", "message": ADVICE}


def _kind_of(text: str) -> str:
    """Return the type of a message; empty if it has none. Some clients send their pings as the bare word."""
    if text in ("ping", "pong"):
        return text
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    kind = content.get("type") if isinstance(content, dict) else None
    return kind if isinstance(kind, str) else ""
