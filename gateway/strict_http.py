"""What uvicorn and h11 take for requests and should not (RFC 9112, RFC 6455). Pure."""

from __future__ import annotations

import re

import h11

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]*\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")
"""A host and its port (RFC 3986, section 3.2)."""
_SINGLE = frozenset((b"authorization", b"content-type", b"origin", b"sec-fetch-site"))
"""Fields that say who is asking for what: of two, somebody on the way may have believed the other."""


def strict(request: h11.Request) -> h11.Request:
    """Return a request as it has to be understood: its target is a path, or "*".

    Raises:
        RemoteProtocolError: it says in two ways how long its body is, of which somebody on the way may have believed
            the other (RFC 9112, section 6.1), or who is asking for what; it is for no host that there can be (section
            3.2); or for nothing.
    """
    if not bytes(request.http_version).startswith(b"1."):
        raise h11.RemoteProtocolError("no such version")
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        raise h11.RemoteProtocolError("the length of the body is ambiguous")
    if any(name in _SINGLE and names.count(name) > 1 for name in names):
        raise h11.RemoteProtocolError("a field is there twice of which there can be one")
    if any(name == b"host" and not _HOST.fullmatch(value) for name, value in request.headers):
        raise h11.RemoteProtocolError("no host has such a name")
    target = bytes(request.target)
    return request if target.startswith(b"/") or target == b"*" else _in_origin_form(request, target)


def _in_origin_form(request: h11.Request, target: bytes) -> h11.Request:
    """Return a request that was put as to a proxy; its target's host counts, not the header's (section 3.2.2)."""
    scheme, found, rest = target.partition(b"://")
    authority = re.split(rb"[/?]", rest, maxsplit=1)[0]
    path = rest[len(authority) :]
    if not found or scheme.lower() not in {b"http", b"https"} or not authority or not _HOST.fullmatch(authority):
        raise h11.RemoteProtocolError("no such target")
    headers = [(b"host", authority), *(each for each in request.headers if each[0] != b"host")]
    version = bytes(request.http_version)
    path = path if path.startswith(b"/") else b"/" + path
    return h11.Request(method=bytes(request.method), target=path, headers=headers, http_version=version)


def handshake_fault(request: h11.Request, connection: h11.Connection) -> str:
    """Return why a WebSocket's handshake cannot be taken further, if it cannot; else empty text."""
    if request.http_version != b"1.1":
        return "WebSockets need HTTP/1.1"
    if connection.trailing_data[0]:
        return "wait for the answer to the handshake"  # RFC 6455, section 4.1; it would be lost
    return ""
