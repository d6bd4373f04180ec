"""The door of the documents that describe all others, for programs: OpenAPI for HTTP, AsyncAPI for what is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from gateway import asyncapi, openapi
from gateway.channels import Channel
from gateway.operations import Operation

FAMILY = "documents"


class Documents:
    """Answers `/v1/openapi.json` and `/v1/asyncapi.json`."""

    def __init__(self) -> None:
        self._openapi = self._asyncapi = b""

    def operations(self) -> Iterable[Operation]:
        """Yield what may be asked."""
        yield Operation(
            "GET", "/v1/openapi.json", "getOpenApi", "This document: every address, in OpenAPI 3.1.", self._get_openapi,
            family=FAMILY, is_open=True, gives={"type": "object"},
        )  # fmt: skip
        yield Operation(
            "GET", "/v1/asyncapi.json", "getAsyncApi",
            "What is told over WebSockets, Socket.IO and event streams, in AsyncAPI 3.0.", self._get_asyncapi,
            family=FAMILY, is_open=True, gives={"type": "object"},
        )  # fmt: skip

    def write(
        self, operations: Sequence[Operation], channels: Iterable[Channel], generators: Collection[str], *,
        token_needed: bool,
    ) -> None:  # fmt: skip
        """Write the documents.

        Args:
            operations: All there are, those of this door as well.
            channels: The sockets of families of front ends.
            generators: Which kinds there are.
            token_needed: Whether the gateway asks for a token.
        """
        self._openapi = openapi.document(operations, generators, token_needed=token_needed)
        self._asyncapi = asyncapi.document(channels, operations, generators)

    async def _get_openapi(self, _request: Request) -> Response:
        return Response(self._openapi, media_type="application/json")

    async def _get_asyncapi(self, _request: Request) -> Response:
        return Response(self._asyncapi, media_type="application/json")
