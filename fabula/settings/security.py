"""Settings that say who may come in, and the checks behind them.

A later field is judged by earlier ones, so the order of fields in a class matters.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from fabula.settings.base import Settings
from fabula.settings.values import PREFIX, is_loopback

SHORTEST_SECRET_BYTES = 32  # RFC 7518, section 3.2: a key for HS256 is at least as long as its hash


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
        raise ValueError(f"is too short: at least {SHORTEST_SECRET_BYTES} bytes, e.g. from `openssl rand -hex 32`")
    return secret


def _key_source(source: str) -> str:
    if "://" not in source:
        return str(_readable(Path(source)))
    parts = urlsplit(source)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("should be https://HOST/PATH, or the path of a file")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("is fetched in the clear, so that anybody on the way could put in keys: use https")
    return source


def _with_a_secret(jwks: str | None, info: ValidationInfo) -> str | None:
    if jwks is not None and info.data.get("jwt_secret", "invalid, reported already") is None:
        raise ValueError(
            f"needs {PREFIX}JWT_SECRET beside it in services, which sign the tokens for their own calls with it"
        )
    return jwks


def _checks_tokens(info: ValidationInfo) -> bool | None:
    """Say whether tokens are asked for; None: it cannot be told, for another problem that is reported already."""
    if "jwt_secret" not in info.data or "jwks" not in info.data:
        return None
    return info.data["jwt_secret"] is not None or info.data["jwks"] is not None


def _backed_by_keys(auth: str | None, info: ValidationInfo) -> str | None:
    if auth == "required" and _checks_tokens(info) is False:
        raise ValueError(f"needs {PREFIX}JWT_SECRET or {PREFIX}JWKS: without them no token can be checked")
    return auth


def _open_only_on_purpose(host: str, info: ValidationInfo) -> str:
    if is_loopback(host) or "auth" not in info.data:
        return host
    if _checks_tokens(info) is False and info.data["auth"] != "off":
        raise ValueError(
            f"is an address that other machines can reach, and anybody there could use it: set {PREFIX}JWT_SECRET, "
            f"or say {PREFIX}AUTH=off, or bind 127.0.0.1"
        )
    return host


def _readable(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_file():
        raise ValueError(f"names no file: {path}")
    return path


def _authorities(path: Path | None) -> Path | None:
    if path is not None:
        try:
            ssl.create_default_context(cafile=path)
        except (ssl.SSLError, OSError):
            raise ValueError("is no file of certificates in PEM that can be read") from None
    return path


def _with_authorities(certificate: Path | None, info: ValidationInfo) -> Path | None:
    if certificate is not None and info.data.get("tls_ca", "invalid, reported already") is None:
        raise ValueError(f"needs {PREFIX}TLS_CA beside it: the authorities that sign the certificates of services")
    return certificate


def _matching(key: Path | None, info: ValidationInfo) -> Path | None:
    if "tls_cert" not in info.data:
        return key
    certificate = info.data["tls_cert"]
    if (key is None) is not (certificate is None):
        raise ValueError(f"and {PREFIX}TLS_CERT need each other: set both or neither")
    if key is not None:
        try:
            # A password would be asked for on the terminal: there is nobody to answer.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, OSError):
            raise ValueError(
                f"is not the key of {PREFIX}TLS_CERT, or one of them is no PEM, or it has a password"
            ) from None
    return key


def _of_a_service(certificate: Path | None, info: ValidationInfo) -> Path | None:
    if certificate is None and info.data.get("tls_ca") is not None:
        raise ValueError(f"is not set, and a service needs one where {PREFIX}TLS_CA is set")
    return certificate


def _cookie_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", name):  # RFC 6265, section 4.1.1: a token
        raise ValueError("should be letters, digits, - and _, at most 64")
    return name


Secret = Annotated[SecretStr, AfterValidator(_long_enough)]
KeySource = Annotated[str, AfterValidator(_key_source)]
AuthMode = Annotated[Literal["required", "off"] | None, AfterValidator(_backed_by_keys)]
BindHost = Annotated[str, AfterValidator(_open_only_on_purpose)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
File = Annotated[Path, AfterValidator(_readable)]


class TlsSettings(Settings):
    """How processes speak to services: in the clear, by TLS, or by mutual TLS."""

    tls_ca: Annotated[File | None, AfterValidator(_authorities)] = None
    """File with the certificates (PEM) of the authorities that sign the services' certificates. Set: every call to a
    service goes over TLS."""

    tls_cert: Annotated[File | None, AfterValidator(_with_authorities)] = None
    """File with this process's own certificate (PEM), and those between it and the authority. Services need one."""

    tls_key: Annotated[File | None, AfterValidator(_matching)] = None
    """File with the private key (PEM, without a password) of `FABULA_TLS_CERT`."""


class AuthSettings(TlsSettings):
    """Who may use a server. Part of every process that listens."""

    jwt_secret: Secret | None = None
    """Secret that signs tokens (JWT, HS256), at least 32 bytes. Set: every call needs a valid token. With
    `FABULA_JWKS` it signs only what services tell each other. Neither set: everything belongs to one local user."""

    jwks: KeySource | None = None
    """Public keys of users' tokens (JWKS): `https://…` (`http://` on loopback only) or a file. Set: users' tokens are
    those that these keys verify (RSA, EC or Ed25519), and no others."""

    jwt_issuer: str = ""
    """What the claim `iss` of users' tokens must be. Not set: it is not looked at."""

    jwt_audience: str = ""
    """What the claim `aud` of users' tokens must be, or contain. Not set: tokens with that claim are refused."""

    auth: AuthMode = None
    """`required`: refuse to start without `FABULA_JWT_SECRET` or `FABULA_JWKS`. `off`: without them, other addresses
    than loopback may be bound, and whoever reaches them is the local user. A secret that is set always counts."""

    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 5.0
    """How long a process that is asked to stop may take to end its streams and hand back its jobs, in seconds."""


class ServiceSettings(AuthSettings):
    """Who may use a service. Part of every server and worker of a generator."""

    jwks: Annotated[KeySource | None, AfterValidator(_with_a_secret)] = None
    """Public keys of users' tokens (JWKS): `https://…` (`http://` on loopback only) or a file. Set: users' tokens are
    those that these keys verify (RSA, EC or Ed25519), and no others. Services need `FABULA_JWT_SECRET` beside it."""

    tls_cert: Annotated[File | None, AfterValidator(_with_authorities), AfterValidator(_of_a_service)] = None
    """File with this process's own certificate (PEM), and those between it and the authority. Services need one."""

    tls_mutual: bool = True
    """Whether a service that has certificates asks its callers for one, too (mutual TLS): signed by an authority of
    `FABULA_TLS_CA`."""
