"""Who is calling: the subject of a signed token, or the one local user where authentication is off.

Three kinds of tokens are told apart, each with its own key and its own algorithms; none is chosen by the token's `alg`:

- users' tokens, signed with the shared secret (HMAC), or, where a key set is configured, with one of its private keys;
- tokens of our own services (header `typ` is `OWN_TYPE`), signed with the shared secret, for calls among services.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jwt

from fabula.errors import Unauthenticated

LOCAL_OWNER = "local"
"""Owner of everything where authentication is off."""

ALGORITHMS = ("HS256", "HS384", "HS512")
"""Accepted signatures by a shared secret: named here, never taken from the token."""

OWN_TYPE = "fabula-service+jwt"
"""Header `typ` of the tokens that services mint: explicit typing, as RFC 8725, section 3.11, advises."""
OWN_ISSUER = "fabula"
"""Claim `iss` of these tokens."""
OWN_AUDIENCE = "fabula-services"
"""Claim `aud` of these tokens: they are good before services, not at the gateway's doors."""
GENERATION_CLAIM = "generation"
"""Claim of a token that a ticket was redeemed for: the one generation that it reads."""

LONGEST_OWNER = 256
"""Characters of a token's subject: it stands in every log."""

LONGEST_TOKEN = 7 * 1024
"""Characters of a token: it goes on to services as metadata, of which gRPC takes 8 KiB."""

CLOCK_SKEW_SECONDS = 30
"""How far the clocks of issuer and service may be apart."""

EXPIRED = "the token has expired: get a new one"

_FAR_AWAY = 2**40  # some times in tokens are beyond all that a clock can be asked for
_FAULTY = "the token does not hold: check its signature, algorithm and times"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, and for how long.

    Attributes:
        owner: The owner of what they start, and of all they may see.
        expires: Unix time from which this holds no longer, the clocks' skew included; None: it always holds.
        generation_id: The one generation that they may read, and nothing else; empty: no such restriction.
    """

    owner: str
    expires: float | None = None
    generation_id: str = ""


class Keys(Protocol):
    """Public keys of whoever signs the users' tokens."""

    async def prepare(self, kid: str | None) -> None:
        """See that the key of this id is at hand, if there is one. Raises `Unavailable` if that cannot be told."""
        ...

    def find(self, kid: str | None) -> tuple[Any, Sequence[str]] | None:
        """Return the key of this id, and the algorithms of its type; None: there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What users' tokens must say, beside who and until when.

    Attributes:
        issuer: Claim `iss`; empty: not looked at.
        audience: Claim `aud`, or one of its values; empty: a token that is meant for somebody named is refused.
    """

    issuer: str = ""
    audience: str = ""


class Authenticator:
    """Tells who calls from a bearer token.

    Args:
        secret: Shared secret; None: there is none. With neither secret nor keys authentication is off, and any token
            and none are the same.
        keys: Public keys of the users' tokens; None: the shared secret signs them.
        expected: What users' tokens must say.
        own: Whether tokens that services mint are accepted.
    """

    def __init__(
        self, secret: str | None, *, keys: Keys | None = None, expected: Expected | None = None, own: bool = True
    ) -> None:
        self._secret = secret
        self._keys = keys
        self._expected = expected or Expected()
        self._own = own

    @property
    def required(self) -> bool:
        """Whether callers need a token."""
        return self._secret is not None or self._keys is not None

    async def identify(self, token: str) -> Identity:
        """Tell whose token this is; fetches the issuer's keys if it has to.

        Raises:
            Unauthenticated: there is no token, or its signature, times or claims do not hold.
            Unavailable: its key is not known, and the issuer's keys cannot be fetched at the moment.
        """
        if self._keys is not None and token and not self._is_own(token):
            await self._keys.prepare(_header(token).get("kid"))
        return self.check(token)

    def check(self, token: str) -> Identity:
        """Tell the same with the keys that are at hand. Raises `Unauthenticated`."""
        if not self.required:
            return Identity(LOCAL_OWNER)
        if not token:
            raise Unauthenticated("a token is needed: send 'authorization: Bearer <JWT>'")
        if self._is_own(token):
            claims = self._claims_of_own(token)
            return _identity(claims, claims.get(GENERATION_CLAIM, ""))
        if self._keys is None:
            return _identity(_decoded(token, self._secret, ALGORITHMS, self._expected))
        found = self._keys.find(_header(token).get("kid"))
        if found is None:
            raise Unauthenticated("the token is signed with a key that its issuer does not publish: get a new one")
        return _identity(_decoded(token, *found, self._expected))

    def _is_own(self, token: str) -> bool:
        return _header(token).get("typ") == OWN_TYPE

    def _claims_of_own(self, token: str) -> dict[str, Any]:
        if self._secret is None or not self._own:
            raise Unauthenticated("tokens of services are not accepted here")
        return _decoded(token, self._secret, ALGORITHMS, Expected(OWN_ISSUER, OWN_AUDIENCE))


def _decoded(token: str, key: Any, algorithms: Sequence[str], expected: Expected) -> dict[str, Any]:
    required = ["sub", "exp", *(["iss"] if expected.issuer else []), *(["aud"] if expected.audience else [])]
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            issuer=expected.issuer or None,
            audience=expected.audience or None,
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": required},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthenticated(EXPIRED) from None
    except jwt.MissingRequiredClaimError as error:
        raise Unauthenticated(f"the token lacks the claim {error.claim!r}") from None
    except jwt.InvalidIssuerError:
        raise Unauthenticated("the token comes from an issuer that is not accepted here") from None
    except jwt.InvalidAudienceError:
        raise Unauthenticated("the token is meant for somebody else: it does not hold here") from None
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError):  # the last three: claims of odd types
        raise Unauthenticated(_FAULTY) from None
    return claims


def _identity(claims: dict[str, Any], generation_id: object = "") -> Identity:
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= LONGEST_OWNER:
        raise Unauthenticated(f"the token's claim 'sub' must be text of 1 to {LONGEST_OWNER} printable characters")
    expires = min(int(claims["exp"]), _FAR_AWAY) + CLOCK_SKEW_SECONDS
    return Identity(subject, expires, str(generation_id))


def _header(token: str) -> dict[str, Any]:
    """Return a token's header, which nobody has vouched for yet: it names the key, never the algorithm."""
    if len(token) > LONGEST_TOKEN:
        raise Unauthenticated(f"the token is too long: at most {LONGEST_TOKEN} characters")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, TypeError, ValueError):
        raise Unauthenticated(_FAULTY) from None


def seconds_left(expires: float) -> float:
    """Return how long an identity still holds, in seconds; negative when it does no longer."""
    return expires - time.time()


def bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the bearer token in a call's metadata; empty if there is none."""
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                return token.strip()
    return ""
