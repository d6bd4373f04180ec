"""What a webhook's URL has to look like, and what is made of it. Pure.

A URL is taken apart once, here, and requests are made from the parts: no second parser can read it another way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from fabula.errors import InvalidRequest
from fabula.webhooks.addresses import Ip, Rules, literal

LONGEST_URL = 2048

_FORM = re.compile(
    r"(?P<scheme>https?)://(?P<user>[^/?#@]*@)?(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]*)(?::(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")  # printable ASCII without space, quotes, <>, \, ^, `, {|}
_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBERS = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)

_LOOPBACK: tuple[Ip, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

_ODD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)
"""Ports above 1023 at which browsers send nothing, for something else listens there (Fetch standard, "bad port")."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        secure: Whether TLS is spoken.
        host: A name, or an address without brackets; lower-case.
        port: The port.
        path: Path and query, as they are sent.
    """

    secure: bool
    host: str
    port: int
    path: str


def target_of(url: str, rules: Rules) -> Target:
    """Take a URL apart.

    What its host's name stands for is not looked at: that is asked when a request is sent, each time.

    Raises:
        InvalidRequest: it is none that may be told.
    """
    if len(url) > LONGEST_URL:
        raise _refused(f"is too long: at most {LONGEST_URL} characters")
    if not _PLAIN.fullmatch(url):
        raise _refused("has characters that a URL cannot have: write them in percent-encoding, and names as xn--…")
    parts = _FORM.fullmatch(url)
    if parts is None:
        raise _refused("should be https://HOST/PATH")
    if parts["user"] is not None:
        raise _refused("has a user or a password in it: requests are signed instead")
    if parts["fragment"] is not None:
        raise _refused("has a fragment (#…), which is never sent")
    host = _host(parts["host"])
    secure = parts["scheme"].lower() == "https"
    _check(host, rules, secure=secure)
    return Target(secure, host, _port(parts["port"], host, rules, secure=secure), _path(parts["path"], parts["query"]))


def _host(text: str) -> str:
    host = text.lower().removesuffix(".")
    if (address := literal(host)) is not None:
        return str(address)
    if _NUMBERS.fullmatch(host.rsplit(".", 1)[-1]):
        raise _refused("has a host that is a number: write an address as 203.0.113.7 or [2001:db8::7]")
    if not _NAME.fullmatch(host):
        raise _refused("has no host that can be found")
    return host


def _check(host: str, rules: Rules, *, secure: bool) -> None:
    known = _known_addresses(host)
    if known and not any(rules.allows(host, address, secure=True) for address in known):
        raise _refused("names an address that is not public, which the operator has not allowed")
    in_the_clear = any(rules.allows(host, address, secure=False) for address in known)
    allowed = in_the_clear if known else _may_be_http(host, rules)
    if not secure and not allowed:
        raise _refused("should begin with https://")


def _known_addresses(host: str) -> tuple[Ip, ...]:
    """Return what a host stands for, where nobody has to be asked: an address, or this machine (RFC 6761, 6.3)."""
    address = literal(host)
    if address is not None:
        return (address,)
    return _LOOPBACK if host.rsplit(".", 1)[-1] == "localhost" else ()


def _may_be_http(host: str, rules: Rules) -> bool:
    """Whether a name may be spoken with in the clear: where networks are allowed, its address decides later."""
    return rules.private or rules.names(host) or bool(rules.networks)


def _port(text: str | None, host: str, rules: Rules, *, secure: bool) -> int:
    usual = 443 if secure else 80
    port = int(text) if text else usual
    if not 1 <= port <= 65535:
        raise _refused("has a port that there is not")
    if port != usual and (port < 1024 or port in _ODD_PORTS) and not rules.names(host, literal(host)):
        raise _refused(f"has a port that is not for the web: {usual}, or one above 1023")
    return port


def _path(path: str | None, query: str | None) -> str:
    return f"{path or '/'}{query or ''}"


def _refused(problem: str) -> InvalidRequest:
    return InvalidRequest(f"url {problem}", (("url", problem),))
