"""Serves the plain page: a handful of files from the package, nothing from anywhere else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

SECURITY_HEADERS = {
    # Only its own files, no inline script, and nobody may frame it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self' {sockets}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


def routes() -> list[Route]:
    """Return a route for each file of the page; `index.html` stands at `/`."""
    files = {item.name: item.read_bytes() for item in resources.files("gateway.page").iterdir() if _type(item.name)}
    return [_route("/" if name == "index.html" else f"/page/{name}", name, content) for name, content in files.items()]


def _type(name: str) -> str | None:
    return next((media_type for suffix, media_type in _TYPES.items() if name.endswith(suffix)), None)


def _route(path: str, name: str, content: bytes) -> Route:
    file = _File(content, _type(name) or "", f'"{hashlib.sha256(content).hexdigest()[:20]}"')

    async def serve(request: Request) -> Response:
        headers = _headers(request) | {"ETag": file.etag}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    return Route(path, serve, name=name)


def _headers(request: Request) -> dict[str, str]:
    # Some browsers do not count a WebSocket of the same host as 'self'.
    host = request.url.netloc
    policy = SECURITY_HEADERS["Content-Security-Policy"].format(sockets=f"ws://{host} wss://{host}")
    return SECURITY_HEADERS | {"Content-Security-Policy": policy}
