"""Tokens that are signed here: those by which one service calls another on an owner's behalf, and for development."""

from __future__ import annotations

import secrets
import time
from typing import Any

import jwt

from fabula.rpc.auth import (
    ALGORITHMS,
    CLOCK_SKEW_SECONDS,
    GENERATION_CLAIM,
    OWN_AUDIENCE,
    OWN_ISSUER,
    OWN_TYPE,
    Expected,
)
from fabula.rpc.client import Caller

TOKEN_SECONDS = 60
"""How long a minted token holds: a call checks it once, at its start."""


class Issuer:
    """Mints tokens for owners whose work a service does. They say that they are a service's: see `fabula.rpc.auth`.

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
        return Caller(self._token(owner, int(time.time()) + TOKEN_SECONDS), traceparent(trace_id))

    def reader(self, owner: str, generation_id: str, expires: float | None) -> str:
        """Return a token that reads one generation, and does nothing else; empty where authentication is off.

        Args:
            owner: Whose generation it is.
            generation_id: Which one.
            expires: Unix time from which it is not accepted any more, as in `Identity`.
        """
        last = int(time.time()) + TOKEN_SECONDS if expires is None else int(expires) - CLOCK_SKEW_SECONDS
        return self._token(owner, last, **{GENERATION_CLAIM: generation_id})

    def _token(self, owner: str, exp: int, **more: Any) -> str:
        if self._secret is None:
            return ""
        claims = {"iss": OWN_ISSUER, "aud": OWN_AUDIENCE, "sub": owner, "iat": int(time.time()), "exp": exp, **more}
        return jwt.encode(claims, self._secret, algorithm=ALGORITHMS[0], headers={"typ": OWN_TYPE})


def development_token(secret: str, owner: str, seconds: float, expected: Expected) -> str:
    """Return a user's token as an issuer that knows the shared secret would sign it.

    Args:
        secret: The shared secret.
        owner: Whose token it is.
        seconds: How long it holds.
        expected: What tokens must say beside.
    """
    now = time.time()
    claims: dict[str, Any] = {"sub": owner, "iat": int(now), "exp": int(now + seconds)}
    claims |= {"iss": expected.issuer} if expected.issuer else {}
    claims |= {"aud": expected.audience} if expected.audience else {}
    return jwt.encode(claims, secret, algorithm=ALGORITHMS[0])


def traceparent(trace_id: str) -> str:
    """Return a W3C `traceparent` of a new span in this trace; empty for no trace."""
    return f"00-{trace_id}-{secrets.token_hex(8)}-01" if trace_id else ""
