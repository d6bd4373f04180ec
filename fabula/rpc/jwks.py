"""Public keys of an identity provider (JSON Web Key Set, RFC 7517), from a file or from its address.

Fetched when they are needed, kept for a while, and kept longer while the provider does not answer. Which algorithms a
key is good for follows from its type: a token has no say in it.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import jwt
import structlog

from fabula.errors import Unavailable

LIFETIME_SECONDS = 600.0
"""Keys older than this are fetched anew before they are used: how long a withdrawn key is still believed."""

PAUSE_SECONDS = 30.0
"""Keys are fetched no more often than this, whatever key ids are asked for."""

STALE_SECONDS = 24 * 3600.0
"""While the provider does not answer, its last keys are believed for so long."""

FETCH_SECONDS = 5.0
"""How long the provider may take to answer."""

MOST_BYTES = 512 * 1024
"""Largest key set that is read."""

LEAST_RSA_BITS = 2048  # NIST SP 800-131A

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What a key of this type and curve may sign with (RFC 7518, RFC 8037). Symmetric keys have no place in a key set."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """One public key.

    Attributes:
        kid: Its id; None: it has none.
        public: The key, as PyJWT takes it.
        algorithms: What it is good for.
    """

    kid: str | None
    public: Any
    algorithms: tuple[str, ...]


class KeySet:
    """The keys of one provider. Implements `fabula.rpc.auth.Keys`.

    Args:
        source: `https://…` (`http://` on loopback), or the path of a file.
        read: Reads it; blocks, and is run in a thread.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        source: str,
        read: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._read = read or read_source
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def prepare(self, kid: str | None) -> None:
        """See that the key of this id is at hand, if there is one.

        Raises:
            Unavailable: it is not known, and the provider does not answer.
        """
        if self.find(kid) is None or (self._is_old(LIFETIME_SECONDS) and self._fetching is None):
            await self._refresh()  # who finds its key does not wait for somebody else's fetch
        if self.find(kid) is None and self._failed():
            raise Unavailable("tokens cannot be checked at the moment, as their issuer does not answer: try again")

    def find(self, kid: str | None) -> tuple[Any, Sequence[str]] | None:
        """Return the key of this id, and the algorithms of its type. Without an id: the only key that there is."""
        if self._is_old(STALE_SECONDS):
            return None
        found = [key for key in self._keys if kid is None or key.kid == kid]
        if not found or (kid is None and len(found) > 1):
            return None
        return found[0].public, found[0].algorithms

    def _is_old(self, seconds: float) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at >= seconds

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= PAUSE_SECONDS

    def _failed(self) -> bool:
        return self._fetched_at is None or self._fetched_at != self._tried_at

    async def _refresh(self) -> None:
        """Fetch the keys, or wait for the fetch that goes on. A caller who gives up ends only his own waiting."""
        if self._fetching is None:
            if not self._may_try():
                return
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch(self._tried_at))
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)

    def _fetched(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self, now: float) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS + 1):
                keys = keys_of(await asyncio.to_thread(self._read, self._source))
        except (OSError, ValueError, HTTPException, TimeoutError) as error:
            _log.warning("keys_not_fetched", source=self._source, reason=str(error) or type(error).__name__)
            return
        self._keys, self._fetched_at = keys, now
        if not keys:  # that is an answer, too: what was published before is withdrawn
            _log.warning("no_key_is_published", source=self._source)
        _log.info("keys_fetched", source=self._source, keys=[key.kid for key in keys])


def keys_of(document: bytes) -> tuple[Key, ...]:
    """Return the keys of a key set that tokens can be checked with. Raises `ValueError` for what is no key set."""
    content = json.loads(document)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("this is no JSON Web Key Set: it has no list of keys")  # noqa: TRY004 - of a document
    return tuple(key for each in listed if (key := _key(each)) is not None)


def _key(jwk: object) -> Key | None:
    """Return one key; None if it is not for checking signatures, or of no type that is accepted."""
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        return None
    type_, curve, kid, alg = jwk.get("kty"), jwk.get("crv", ""), jwk.get("kid"), jwk.get("alg")
    algorithms = _ALGORITHMS.get((str(type_), str(curve)), ())
    algorithms = tuple(name for name in algorithms if alg in (None, name))
    if not algorithms or "d" in jwk or not isinstance(kid, str | None):  # "d": somebody published a private key
        _log.warning("key_not_used", kid=str(kid), kty=str(type_), crv=str(curve), alg=str(alg))
        return None
    try:
        public = jwt.PyJWK(jwk, algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        _log.warning("key_not_readable", kid=str(kid))
        return None
    if type_ == "RSA" and public.key_size < LEAST_RSA_BITS:
        _log.warning("key_too_short", kid=str(kid), bits=public.key_size)
        return None
    return Key(kid, public, algorithms)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A provider's answer does not send us elsewhere, over http perhaps."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none: the answer counts as the failure that its status says."""


def read_source(source: str) -> bytes:
    """Read a key set from its file or address; blocks.

    Raises:
        OSError: it cannot be read, or not in time.
        ValueError: it is too large.
        HTTPException: the answer is no HTTP.
    """
    if "://" not in source:
        with Path(source).open("rb") as file:
            return _bounded(file.read(MOST_BYTES + 1))
    opener = urllib.request.build_opener(_NoRedirects)
    request = urllib.request.Request(source, headers={"Accept": "application/json"})  # noqa: S310 - checked: settings
    until = time.monotonic() + FETCH_SECONDS
    data = b""
    with opener.open(request, timeout=FETCH_SECONDS) as answer:
        # Piece by piece: the timeout bounds each, not all together.
        while piece := answer.read1(64 * 1024):
            data += piece
            _bounded(data)
            if time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
    return data


def _bounded(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise ValueError(f"the key set is larger than {MOST_BYTES // 1024} KiB")
    return data
