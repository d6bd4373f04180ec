"""Who is calling: the subject of a signed token, or the one local user where authentication is off."""

from __future__ import annotations

from collections.abc import Iterable

import jwt

from fabula.errors import Unauthenticated

LOCAL_OWNER = "local"
"""Owner of everything where no secret is configured."""

ALGORITHMS = ("HS256", "HS384", "HS512")
"""Accepted signatures: named here, never taken from the token."""

LONGEST_OWNER = 256
"""Characters of a token's subject: it stands in every log."""

CLOCK_SKEW_SECONDS = 30
"""How far the clocks of issuer and service may be apart."""


class Authenticator:
    """Tells the owner from a bearer token.

    Args:
        secret: Shared secret of the tokens' signatures; None: authentication is off, any token and none are the same.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    @property
    def required(self) -> bool:
        """Whether callers need a token."""
        return self._secret is not None

    def owner(self, token: str) -> str:
        """Return the token's subject.

        Raises:
            Unauthenticated: there is no token, or its signature, times or claims do not hold.
        """
        if self._secret is None:
            return LOCAL_OWNER
        if not token:
            raise Unauthenticated("a token is needed: send 'authorization: Bearer <JWT>'")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=list(ALGORITHMS),
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["sub", "exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired: get a new one") from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(f"the token lacks the claim {error.claim!r}") from None
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError):  # the last three: claims of odd types
            raise Unauthenticated("the token does not hold: check its signature, algorithm and times") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= LONGEST_OWNER:
            raise Unauthenticated(f"the token's claim 'sub' must be text of 1 to {LONGEST_OWNER} printable characters")
        return subject


def bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the bearer token in a call's metadata; empty if there is none."""
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                return token.strip()
    return ""
