"""gRPC-Web at the gateway, as a door through which a generation can be watched."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

import grpc
import httpx

from fabula.rpc.kinds import STORY, Kind
from tests.e2e.doors import CONNECT_SECONDS, NO_TLS, Lost, Opening
from tests.integration.gateway.grpc_web_client import BINARY, TEXT, GrpcWeb

_TO_BE_TRIED_AGAIN = grpc.StatusCode.UNAVAILABLE.value[0]


@dataclass(frozen=True, slots=True)
class GrpcWebDoor:
    """One call of `WatchProgress` for each connection.

    Attributes:
        url: Of the gateway.
        text: Whether it is spoken in base64.
        kind: What is watched.
    """

    url: str
    text: bool = False
    kind: Kind = STORY

    @property
    def name(self) -> str:
        """In which form."""
        return f"gRPC-Web {'text' if self.text else 'binary'}"

    async def connect(self, generation_id: str, cursor: int) -> Opening:
        """See `Door`."""
        request = self.kind.request("WatchProgress")(generation_id=generation_id, after_sequence=cursor)
        timeout = httpx.Timeout(CONNECT_SECONDS, read=None)
        try:
            async with (
                httpx.AsyncClient(base_url=self.url, timeout=timeout, trust_env=False, verify=NO_TLS) as http,
                aclosing(self._responses(http, request)) as responses,
            ):
                async for response in responses:
                    yield response
        except httpx.TransportError as error:
            raise Lost(str(error)) from error

    async def _responses(self, http: httpx.AsyncClient, request: object) -> Opening:
        caller = GrpcWeb(http, TEXT if self.text else BINARY)
        async with caller.open(self.kind.path("WatchProgress"), request) as answer:  # type: ignore[arg-type]
            yield None
            while (data := await answer.next()) is not None:
                yield self.kind.response("WatchProgress").FromString(data)
            if answer.trailers and answer.code == _TO_BE_TRIED_AGAIN:
                raise Lost(answer.message)
            assert answer.trailers.get("grpc-status") == "0", answer.trailers
