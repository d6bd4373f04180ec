"""Whatever is shown as a token, a ticket's key or a cookie holds or does not; nothing else comes of it."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from fabula.errors import NotFound, PermissionDenied, Unauthenticated
from fabula.rpc.auth import Authenticator, Expected, bearer
from fabula.rpc.jwks import keys_of
from gateway.cookies import SessionCookie
from gateway.identity import token_of
from gateway.origin import OriginRule
from gateway.picture_links import PictureLinks
from tests.providers import key_set, signer
from tests.unit.security.chance import LATIN, MANY, TEXT, VALUES

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

SECRET = "a secret of more than thirty-two bytes"


def encoded(text: str) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).rstrip(b"=").decode()


HEADERS = st.one_of(
    TEXT,
    VALUES.map(json.dumps),
    st.fixed_dictionaries(
        {},
        optional={
            "alg": st.sampled_from(["HS256", "none", "RS256", "ES256", "", None, 7]) | VALUES,
            "typ": st.sampled_from(["JWT", "fabula-service+jwt"]) | VALUES,
            "kid": st.sampled_from(["key-RS256", ""]) | VALUES,
            "crit": VALUES,
            "b64": VALUES,
            "zip": VALUES,
        },
    ).map(json.dumps),
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={name: VALUES | st.sampled_from(["ann", 2**31, -1, 1e308]) for name in
              ("sub", "exp", "nbf", "iat", "iss", "aud", "jti", "generation")},
)  # fmt: skip


class Published:
    """A provider's keys. Implements `fabula.rpc.auth.Keys`."""

    def __init__(self) -> None:
        self._keys = keys_of(key_set(signer("RS256"), signer("ES256")))

    async def prepare(self, kid: str | None) -> None:
        """They are there."""

    def find(self, kid: str | None) -> tuple[Any, Any] | None:
        """See `Keys`."""
        found = [(key.public, key.algorithms) for key in self._keys if key.kid == kid]
        return found[0] if found else None


AUTHENTICATORS = [
    Authenticator(SECRET),
    Authenticator(SECRET, expected=Expected("iss", "aud")),
    Authenticator(SECRET, keys=Published()),
    Authenticator(None, keys=Published(), own=False),
]


@MANY
@given(HEADERS, TEXT | VALUES.map(json.dumps), st.binary(max_size=40), st.sampled_from([".", "..", "", ". "]))
async def test_tokens_hold_or_do_not(header: str, claims: str, signature: bytes, dot: str) -> None:
    """Whatever stands in their headers, which nobody has signed yet."""
    token = f"{encoded(header)}.{encoded(claims)}{dot}{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    for authenticator in AUTHENTICATORS:
        with pytest.raises(Unauthenticated):
            await authenticator.identify(token)


@MANY
@given(CLAIMS, st.sampled_from(["JWT", "fabula-service+jwt", None]))
async def test_claims_of_any_type_hold_or_do_not(claims: dict[str, Any], typ: str | None) -> None:
    """Even where they are signed."""
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), SECRET, "HS256", {"typ": typ})
    for authenticator in AUTHENTICATORS:
        with suppress(Unauthenticated):
            identity = await authenticator.identify(signed)
            assert identity.owner
            assert identity.owner.isprintable()


@MANY
@given(LATIN, TEXT)
def test_headers_with_tokens_are_read(value: str, text: str) -> None:
    """Authorization, subprotocols, cookies, pages: by a value, or a refusal."""
    raw = value.encode("latin-1")
    headers = Headers(raw=[(b"authorization", raw), (b"cookie", raw), (b"cookie", b"s=1;" + raw), (b"host", raw)])
    assert isinstance(bearer(headers.items()), str)
    assert isinstance(token_of(headers, ("x", text, f"bearer.{text}")), str)
    cookie = SessionCookie("s")
    with suppress(Unauthenticated):
        cookie.read(headers)
    line = cookie.keeping(value, 1e12, headers)
    assert not {"\r", "\n", "\0"} & set(line)
    origin = Headers(raw=[(b"origin", raw), (b"host", b"127.0.0.1:8080"), (b"sec-fetch-site", raw)])
    for rule in (
        OriginRule(frozenset(), own_names_only=False),
        OriginRule(frozenset(["https://a.example"]), own_names_only=True),
    ):
        for given_headers in (headers, origin):
            with suppress(PermissionDenied):
                rule.check(given_headers)
            with suppress(PermissionDenied):
                rule.check_page(given_headers, proof=True)


JWKS = st.fixed_dictionaries(
    {},
    optional={
        "kty": st.sampled_from(["RSA", "EC", "OKP", "oct"]) | VALUES,
        "crv": st.sampled_from(["P-256", "P-384", "P-521", "Ed25519", "secp256k1"]) | VALUES,
        "n": st.sampled_from([signer("RS256").jwk["n"], "AQ", "", "!"]) | VALUES,
        "e": st.sampled_from(["AQAB", "", "AA"]) | VALUES,
        "x": st.sampled_from([signer("ES256").jwk["x"], "AA"]) | VALUES,
        "y": st.sampled_from([signer("ES256").jwk["y"], "AA"]) | VALUES,
        "kid": st.text(max_size=5) | VALUES,
        "alg": st.sampled_from(["RS256", "ES256", "HS256", "none"]) | VALUES,
        "use": st.sampled_from(["sig", "enc"]) | VALUES,
        "key_ops": st.just(["verify"]) | VALUES,
        "d": VALUES,
    },
)


@MANY
@given(st.lists(JWKS | VALUES, max_size=3).map(lambda keys: json.dumps({"keys": keys})) | TEXT | VALUES.map(json.dumps))
def test_key_sets_are_read_or_refused(document: str) -> None:
    """A key that cannot be read is left out, and what is no key set is a ValueError."""
    with suppress(ValueError):
        for key in keys_of(document.encode(errors="surrogatepass")):
            assert key.algorithms


@MANY
@given(TEXT, TEXT)
def test_keys_of_pictures_hold_or_do_not(generation_id: str, key: str) -> None:
    """What was not given out opens nothing."""
    for links in (PictureLinks(SECRET), PictureLinks(None)):
        with pytest.raises(NotFound):
            links.read(generation_id, key)
