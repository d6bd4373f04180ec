"""Keeps foreign pages out: a browser sends its user's requests wherever a page wants, this machine included.

Without authentication, being reachable is all it takes, so two things are checked. `Origin`: a page of another site
may neither open a WebSocket nor call the API (cross-site WebSocket hijacking, request forgery). `Host`: only names
that nobody else can point here are answered, since a foreign name can be made to resolve to this machine (DNS
rebinding), also where a container's port is published on loopback.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from fabula.errors import FabulaError, PermissionDenied
from gateway.answers import problem_of

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class OriginRule:
    """Which pages and which names are answered.

    Attributes:
        allowed: Origins that may come in beside the gateway's own, e.g. "https://stories.example".
        own_names_only: Whether only addresses, names of the local network and hosts of allowed origins are answered.
    """

    allowed: frozenset[str]
    own_names_only: bool

    def check(self, headers: Headers) -> None:
        """Check one request.

        Raises:
            PermissionDenied: it comes from a page of another site, or was sent to a name that is not ours.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.own_names_only and not (_is_local(host) or host in self._allowed_hosts()):
            raise PermissionDenied(
                f"without authentication this gateway does not answer to {host!r}: open it as 127.0.0.1, localhost or "
                "by its address, or allow the name's origin by FABULA_ALLOWED_ORIGINS",
                host=host,
            )
        if origin is None and self.own_names_only and not self.allowed and _is_loaded_by_another_site(headers):
            raise PermissionDenied(
                "pages of other sites may not load anything here: allow their origin by FABULA_ALLOWED_ORIGINS"
            )
        if origin is not None and origin not in self.allowed and not _same_host(origin, host):
            raise PermissionDenied(
                f"pages of {origin} may not use this gateway: allow the origin by FABULA_ALLOWED_ORIGINS",
                origin=origin,
            )

    def check_page(self, headers: Headers, *, proof: bool) -> None:
        """Check that a request which a browser has put its cookie to was not made by another site's page.

        Browsers say so in `Sec-Fetch-Site` (Fetch Metadata), which no page can set; those that do not, or that load
        this page by http from elsewhere than their own machine, name the page in `Origin`, with all that changes
        something and with WebSockets. `SameSite=Strict` is not relied upon: to it, all hosts of a domain are one site.

        Args:
            headers: The request's.
            proof: Whether one of them has to be there: where something is changed, and for WebSockets.

        Raises:
            PermissionDenied: the page is another site's, or it is not said which one it is and has to be.
        """
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if origin in self.allowed:
            return
        if site is not None:
            fine = site == "same-origin" or (site == "none" and not proof)
        else:
            fine = not proof if origin is None else _same_host(origin, headers.get("host", ""))
        if not fine:
            raise PermissionDenied(
                "the cookie does not count here, as the request may have been made by a page of another site: "
                "send the token in the header Authorization, or allow the page's origin by FABULA_ALLOWED_ORIGINS"
            )

    def let_read(self, response: Response, headers: Headers) -> Response:
        """Let the page that asked read an answer of which CORS hears nothing else, where its origin is allowed."""
        origin = headers.get("origin")
        if origin in self.allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = "retry-after"
            response.headers["Vary"] = "Origin"
        return response

    def _allowed_hosts(self) -> frozenset[str]:
        return frozenset(urlsplit(origin).netloc for origin in self.allowed)


def is_preflight(scope: Scope) -> bool:
    """Say whether a browser asks whether a page may ask (Fetch, section 4.8): answered before anything is done."""
    return scope.get("method") == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)


def _is_loaded_by_another_site(headers: Headers) -> bool:
    """Say whether a page of another site loads this, as a picture perhaps: browsers name no origin then.

    A link that somebody follows is none of that page's business.
    """
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


@lru_cache(maxsize=64)
def _is_local(host: str) -> bool:
    """Say whether the public name system has no say in a host: an address, or a name of one word ("gateway")."""
    name = host_name(host)
    try:
        ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(".localhost"))
    return True


def host_name(host: str) -> str:
    """Return the name in a `Host` header, without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_this_machine(name: str) -> bool:
    """Say whether a host's name is the browser's own machine."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _same_host(origin: str, host: str) -> bool:
    """Say whether a page of this origin was loaded from the host it now calls.

    The scheme is left out of the comparison except for its default port: a proxy before the gateway may speak TLS.
    """
    try:
        page = urlsplit(origin)
        called = urlsplit(f"{page.scheme}://{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (
            called.hostname,
            called.port or default,
        )
    except ValueError:
        return False


def base_for(headers: Headers, scheme: str) -> str:
    """Return what goes before an address of ours so that the page which asks can use it: empty for our own pages.

    Args:
        headers: The request's, or the handshake's.
        scheme: That by which the gateway was reached.
    """
    host = headers.get("host", "")
    if urlsplit(headers.get("origin", "")).netloc in ("", host):
        return ""
    return f"{scheme.replace('ws', 'http')}://{host}"


class OriginGuard:
    """ASGI middleware: applies the rule to every request and every WebSocket handshake."""

    def __init__(self, app: ASGIApp, rule: OriginRule) -> None:
        self._app = app
        self._rule = rule

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on, or refuse it with 403. There is no frame of this for each that is open."""
        if scope["type"] in {"http", "websocket"}:
            try:
                self._rule.check(Headers(scope=scope))
            except FabulaError as error:
                return refuse(error, scope, receive, send)
        return self._app(scope, receive, send)


async def refuse(
    error: FabulaError, scope: Scope, receive: Receive, send: Send, rule: OriginRule | None = None
) -> None:
    """Answer a request, or a WebSocket's handshake, by an error, which pages that a rule allows may read."""
    response = problem_of(error).as_response()
    if rule is not None:
        rule.let_read(response, Headers(scope=scope))
    if scope["type"] == "websocket":
        websocket = WebSocket(scope, receive, send)
        await websocket.receive()  # the handshake, which is answered as plain HTTP
        await websocket.send_denial_response(response)
    else:
        await response(scope, receive, send)
