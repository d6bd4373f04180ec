"""What clients of one-way sockets may say, how often, and what is answered."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

MESSAGES_AT_ONCE = 30
"""Messages that a client may send in one go."""
MESSAGES_PER_SECOND = 5.0
"""Messages that it may send in the long run."""

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


class Allowance:
    """How much one client may still say (a token bucket)."""

    __slots__ = ("_left", "_since")

    def __init__(self) -> None:
        self._left = float(MESSAGES_AT_ONCE)
        self._since = time.monotonic()

    def take(self) -> bool:
        """Take one message; False if there were too many."""
        now = time.monotonic()
        self._left = min(float(MESSAGES_AT_ONCE), self._left + (now - self._since) * MESSAGES_PER_SECOND)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
