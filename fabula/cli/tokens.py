"""`fabula token`: a token for development, as an issuer that knows the shared secret would sign it."""

from __future__ import annotations

from fabula.errors import InvalidRequest
from fabula.rpc.auth import LONGEST_OWNER
from fabula.rpc.issuer import development_token
from fabula.rpc.trust import expected_of
from fabula.settings import AuthSettings, load


def mint(owner: str, hours: float) -> str:
    """Return a token.

    Args:
        owner: Whose it is.
        hours: How long it holds.

    Raises:
        InvalidRequest: there is no secret to sign it with, or the servers would not accept it.
    """
    settings = load(AuthSettings)
    if settings.jwks is not None:
        raise InvalidRequest("FABULA_JWKS is set: users' tokens come from the identity provider whose keys those are.")
    if settings.jwt_secret is None:
        raise InvalidRequest("FABULA_JWT_SECRET is not set: without it no token is needed, and none can be signed.")
    if not owner.isprintable() or not 0 < len(owner) <= LONGEST_OWNER:
        raise InvalidRequest(f"An owner's name has 1 to {LONGEST_OWNER} printable characters.")
    return development_token(settings.jwt_secret.get_secret_value(), owner, hours * 3600, expected_of(settings))
