"""A server of the character contract that notes who asks, until when, and in which trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from fabula.api.character.v1 import character_pb2 as pb
from fabula.rpc.kinds import CHARACTER


@dataclass(frozen=True, slots=True)
class Asked:
    """One call.

    Attributes:
        id: Of the character that was asked for.
        metadata: What came with the call.
        seconds: How long the caller waits; None: for ever.
    """

    id: str
    metadata: dict[str, str]
    seconds: float | None

    @property
    def token(self) -> str:
        """The bearer token."""
        return self.metadata.get("authorization", "").removeprefix("Bearer ")

    @property
    def trace_id(self) -> str:
        """The trace that the call is part of."""
        return self.metadata["traceparent"].split("-")[1] if "traceparent" in self.metadata else ""


@dataclass(slots=True)
class Recorder:
    """The server.

    Attributes:
        port: Where it listens.
        asked: All calls there were.
        names: What characters are called, by id; all others are not there.
        looks: How they look.
        delay_seconds: How long it thinks before each answer.
        silent: Whether it leaves its callers waiting.
        foreign: Whether it knows nobody's tokens.
        more: Notified of each call.
    """

    port: int
    asked: list[Asked] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    looks: str = "She is tall."
    delay_seconds: float = 0.0
    silent: bool = False
    foreign: bool = False
    more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def calls(self, count: int, seconds: float = 60.0) -> None:
        """Wait until there have been so many calls."""
        async with asyncio.timeout(seconds), self.more:
            await self.more.wait_for(lambda: len(self.asked) >= count)

    async def get(self, request: pb.GetCharacterRequest, context: Any) -> pb.GetCharacterResponse:
        """GetCharacter."""
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        self.asked.append(Asked(request.character_id, metadata, context.time_remaining()))
        async with self.more:
            self.more.notify_all()
        if self.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay_seconds)
        if self.foreign:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token does not hold")
        if request.character_id not in self.names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such character")
        details = pb.Details(
            first_name=self.names[request.character_id], age=40, gender="woman", species="human", profession="knight",
            physical_description=self.looks, traits=["brave", "kind"],
        )  # fmt: skip
        return pb.GetCharacterResponse(character=pb.Character(id=request.character_id, details=details))


@asynccontextmanager
async def recording(port: int, **names: str) -> AsyncIterator[Recorder]:
    """Serve these characters, by their ids, while the block lasts."""
    recorder = Recorder(port, names=dict(names))
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        recorder.get,
        request_deserializer=pb.GetCharacterRequest.FromString,
        response_serializer=pb.GetCharacterResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(CHARACTER.service, {"GetCharacter": method}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield recorder
    finally:
        await server.stop(0)
