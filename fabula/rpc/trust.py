"""What a process trusts and how it shows who it is, made from its settings."""

from __future__ import annotations

from fabula.rpc.auth import Authenticator, Expected
from fabula.rpc.issuer import Issuer
from fabula.rpc.jwks import KeySet
from fabula.settings import AuthSettings, ServiceSettings


def authenticator_of(settings: AuthSettings) -> Authenticator:
    """Return who tells a process's callers apart. Tokens that services mint are good before services only."""
    keys = KeySet(settings.jwks) if settings.jwks else None
    return Authenticator(
        _secret(settings), keys=keys, expected=expected_of(settings), own=isinstance(settings, ServiceSettings)
    )


def expected_of(settings: AuthSettings) -> Expected:
    """Return what users' tokens must say, beside who and until when."""
    return Expected(settings.jwt_issuer, settings.jwt_audience)


def issuer_of(settings: AuthSettings) -> Issuer:
    """Return who speaks for owners where a service calls another."""
    return Issuer(_secret(settings))


def _secret(settings: AuthSettings) -> str | None:
    return settings.jwt_secret.get_secret_value() if settings.jwt_secret is not None else None
