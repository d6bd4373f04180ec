"""Tokens that a service mints hold where they should, and nowhere else."""

from __future__ import annotations

import re
import time

import jwt
import pytest

from fabula.errors import Unauthenticated
from fabula.rpc.auth import LOCAL_OWNER, Authenticator
from fabula.rpc.issuer import TOKEN_SECONDS, Issuer, traceparent

SECRET = "a secret that only these services know"


def test_server_takes_the_caller_for_the_owner() -> None:
    """With the same secret; with another it does not hold."""
    token = Issuer(SECRET).caller("ida ü").token

    assert "ida ü" == Authenticator(SECRET).check(token).owner
    with pytest.raises(Unauthenticated):
        Authenticator(SECRET[::-1]).check(token)


def test_token_ends_soon() -> None:
    """What leaks is of use for a minute."""
    claims = jwt.decode(Issuer(SECRET).caller("ida").token, options={"verify_signature": False})

    assert TOKEN_SECONDS - 5 <= claims["exp"] - time.time() <= TOKEN_SECONDS


def test_no_token_where_authentication_is_off() -> None:
    """The server has but one user then."""
    caller = Issuer(None).caller("local")

    assert () == caller.metadata
    assert LOCAL_OWNER == Authenticator(None).check(caller.token).owner


def test_trace_goes_on_in_a_span_of_its_own() -> None:
    """The same trace, another parent each time; no trace, no header."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    assert re.fullmatch(rf"00-{trace}-[0-9a-f]{{16}}-01", traceparent(trace))
    assert traceparent(trace) != traceparent(trace)
    assert "" == traceparent("")
    assert [("traceparent", trace)] == [(key, value[3:35]) for key, value in Issuer(None).caller("", trace).metadata]
