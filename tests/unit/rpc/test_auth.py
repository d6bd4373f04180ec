from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.errors import Unauthenticated
from fabula.rpc.auth import CLOCK_SKEW_SECONDS, LOCAL_OWNER, LONGEST_OWNER, Authenticator, bearer

SECRET = "a secret of more than thirty-two bytes"
AUTH = Authenticator(SECRET)


def token(*, secret: str = SECRET, algorithm: str = "HS256", drop: str = "", **claims: Any) -> str:
    """Return a token that is good but for what is asked for."""
    content = {"sub": "ann", "exp": time.time() + 600, **claims}
    content.pop(drop, None)
    return jwt.encode(content, secret, algorithm=algorithm)


def part(content: dict[str, Any]) -> str:
    """Return a part of a token, written by hand."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def signed_by_hand(header: dict[str, Any], subject: object = "ann", *, secret: str = SECRET) -> str:
    """Return a token with this header and subject, signed by HMAC-SHA256 whatever the header says."""
    signed = f"{part(header)}.{part({'sub': subject, 'exp': time.time() + 60})}"
    signature = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_good_token_names_its_owner(algorithm: str) -> None:
    """The subject is the owner, with any of the accepted signatures."""
    long_secret = SECRET * 2
    assert "ann" == Authenticator(long_secret).check(token(secret=long_secret, algorithm=algorithm)).owner


def test_without_a_secret_everybody_is_the_local_user() -> None:
    """Authentication is off: any token and none are the same."""
    auth = Authenticator(None)

    assert not auth.required
    assert {LOCAL_OWNER} == {auth.check(some).owner for some in ("", "nonsense", token())}


def test_with_a_secret_a_token_is_required() -> None:
    """No token, no owner; the message says what to send."""
    assert AUTH.required
    with pytest.raises(Unauthenticated, match="authorization: Bearer"):
        AUTH.check("")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": time.time() - CLOCK_SKEW_SECONDS - 5}, "expired"),
        ({"drop": "exp"}, "lacks the claim 'exp'"),
        ({"drop": "sub"}, "lacks the claim 'sub'"),
        ({"sub": ""}, "'sub' must be text"),
        ({"sub": "a\nb"}, "'sub' must be text"),
        ({"sub": "\ud800"}, "'sub' must be text"),
        ({"sub": "x" * (LONGEST_OWNER + 1)}, "'sub' must be text"),
        ({"exp": "tomorrow"}, "does not hold"),
        ({"exp": []}, "does not hold"),
        ({"exp": float("inf")}, "does not hold"),
        ({"nbf": time.time() + CLOCK_SKEW_SECONDS + 3600}, "does not hold"),
        ({"iat": time.time() + CLOCK_SKEW_SECONDS + 3600}, "does not hold"),
        ({"aud": "somebody else"}, "does not hold"),
        ({"secret": "another secret of at least thirty-two bytes"}, "does not hold"),
    ],
)
def test_a_token_with_a_fault_is_refused_with_the_reason(claims: dict[str, Any], reason: str) -> None:
    """Each fault is told apart where the caller can do something about it."""
    with pytest.raises(Unauthenticated, match=reason):
        AUTH.check(token(**claims))


@pytest.mark.parametrize("subject", [5, None, ["ann"], {"name": "ann"}])
def test_an_owner_that_is_no_text_is_refused(subject: object) -> None:
    """A number is nobody's name."""
    with pytest.raises(Unauthenticated):
        AUTH.check(signed_by_hand({"alg": "HS256", "typ": "JWT"}, subject))


@pytest.mark.parametrize("exp", [CLOCK_SKEW_SECONDS - 5, 5])
def test_clocks_may_differ_a_little(exp: float) -> None:
    """A token that has just expired, or is good from now on, is good."""
    assert "ann" == AUTH.check(token(exp=time.time() - exp)).owner
    assert "ann" == AUTH.check(token(nbf=time.time() + exp)).owner


def test_an_unsigned_token_is_refused() -> None:
    """The algorithm "none" is nobody's signature, in whatever letters."""
    for name in ("none", "None", "NONE"):
        head, body = part({"alg": name, "typ": "JWT"}), part({"sub": "ann", "exp": time.time() + 60})
        for signature in ("", "AAAA"):
            with pytest.raises(Unauthenticated):
                AUTH.check(f"{head}.{body}.{signature}")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS1", "hs256", ""])
def test_the_algorithm_is_the_services_choice(algorithm: str) -> None:
    """A token that names another one is refused, though it is signed with the very secret."""
    assert "ann" == AUTH.check(signed_by_hand({"alg": "HS256", "typ": "JWT"})).owner
    with pytest.raises(Unauthenticated):
        AUTH.check(signed_by_hand({"alg": algorithm, "typ": "JWT"}))


def test_a_public_key_is_no_secret() -> None:
    """Who signs with a published key, as if it were a shared secret, is not believed even where it is set as one."""
    public = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n"

    for auth in (AUTH, Authenticator(public)):
        with pytest.raises(Unauthenticated):
            auth.check(signed_by_hand({"alg": "HS256", "typ": "JWT"}, secret=public))


def test_a_changed_token_is_refused() -> None:
    """Another owner's name under the same signature does not hold."""
    head, _, signature = token().split(".")

    with pytest.raises(Unauthenticated):
        AUTH.check(f"{head}.{part({'sub': 'ben', 'exp': time.time() + 60})}.{signature}")


@given(st.text() | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}"))
def test_no_token_makes_it_fail_in_another_way(some: str) -> None:
    """Whatever is sent, the answer is that it does not hold."""
    with pytest.raises(Unauthenticated):
        AUTH.check(some)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), ""),
        ((("authorization", "Bearer abc"),), "abc"),
        ((("authorization", "bearer abc"),), "abc"),
        ((("authorization", "BEARER   abc "),), "abc"),
        ((("authorization", "abc"),), ""),
        ((("authorization", "Basic abc"),), ""),
        ((("authorization", "Bearer"),), ""),
        ((("authorization", b"Bearer abc"),), ""),
        ((("x-other", "Bearer abc"),), ""),
        ((("authorization", "Basic abc"), ("authorization", "Bearer def")), "def"),
    ],
)
def test_the_token_is_read_from_the_calls_metadata(
    metadata: tuple[tuple[str, str | bytes], ...], expected: str
) -> None:
    """The scheme is read in any letters; what is no bearer token is none."""
    assert expected == bearer(metadata)
