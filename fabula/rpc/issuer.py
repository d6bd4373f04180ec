"""Tokens by which one service calls another on an owner's behalf."""

from __future__ import annotations

import secrets
import time

import jwt

from fabula.rpc.auth import ALGORITHMS
from fabula.rpc.client import Caller

TOKEN_SECONDS = 60
"""How long a minted token holds: a call checks it once, at its start."""


class Issuer:
    """Mints short-lived tokens for owners whose work a service does.

    Args:
        secret: Shared secret of the tokens' signatures; None: authentication is off, and no token is needed.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    def caller(self, owner: str, trace_id: str = "") -> Caller:
        """Return who calls on behalf of an owner, as part of a trace; mint a new one for each call.

        Args:
            owner: Whose work is done.
            trace_id: W3C trace id of what began the work; empty where nobody traces.
        """
        return Caller(self._token(owner), traceparent(trace_id))

    def _token(self, owner: str) -> str:
        if self._secret is None:
            return ""
        now = int(time.time())
        return jwt.encode({"sub": owner, "iat": now, "exp": now + TOKEN_SECONDS}, self._secret, algorithm=ALGORITHMS[0])


def traceparent(trace_id: str) -> str:
    """Return a W3C `traceparent` of a new span in this trace; empty for no trace."""
    return f"00-{trace_id}-{secrets.token_hex(8)}-01" if trace_id else ""
