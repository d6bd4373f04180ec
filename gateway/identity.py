"""Who is at the door: the token that a request or a socket carries, and the owner it names.

Tokens are read from headers and subprotocols only, never from the address: addresses end up in logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers

from fabula.rpc.auth import Authenticator, bearer
from fabula.rpc.client import Caller

TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 - a prefix
"""Prefix of the subprotocol with which a browser's WebSocket, which cannot send headers, hands over its token."""

LONGEST_TRACE = 256
"""Characters of a `traceparent` that is passed on; the form of today has 55."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in.

    Attributes:
        owner: The owner of what they start, and of all they may see.
        caller: On whose behalf services are called: the token goes on to them.
    """

    owner: str
    caller: Caller


def token_of(headers: Headers, subprotocols: Sequence[str] = ()) -> str:
    """Return the token of a request, empty if it carries none. The header goes before the subprotocol."""
    if token := bearer(headers.items()):
        return token
    for subprotocol in subprotocols:
        if subprotocol.startswith(TOKEN_SUBPROTOCOL):
            return subprotocol.removeprefix(TOKEN_SUBPROTOCOL)
    return ""


def let_in(authenticator: Authenticator, headers: Headers, subprotocols: Sequence[str] = ()) -> Visitor:
    """Tell who is asking.

    Raises:
        Unauthenticated: a token is needed, and there is none or it does not hold.
    """
    token = token_of(headers, subprotocols)
    owner = authenticator.owner(token)
    return Visitor(owner, Caller(token if authenticator.required else "", _trace_of(headers)))


def _trace_of(headers: Headers) -> str:
    """Return what the request is part of; empty where gRPC would refuse to carry it: the call must not fail for it."""
    trace = headers.get("traceparent", "")
    return trace if trace.isascii() and trace.isprintable() and len(trace) <= LONGEST_TRACE else ""
