"""Callers that keep what they were answered: whether it is true is checked when all is over."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2

from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import FabulaError
from fabula.rpc.client import Client, open_channel
from fabula.rpc.errors import details_of
from fabula.rpc.kinds import STORY
from tests.e2e.doors import NOBODY
from tests.e2e.stories import PREMISE
from tests.system import System

CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller was told.

    Attributes:
        error: Why not; None if it was accepted.
        retry: Whether it was told to try again (`google.rpc.RetryInfo`).
        seconds: How long it waited.
        generation_id: Which generation it is about; "" where a start was refused.
    """

    error: FabulaError | None
    retry: bool
    seconds: float
    generation_id: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it was accepted."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Callers:
    """Programs that call the story service.

    Attributes:
        client: Their connection.
    """

    client: Client

    async def start(self, request_id: str, **wishes: Any) -> Answer:
        """Ask for a story; the same id and wishes ask for the same one."""
        story = pb.StoryRequest(premise=PREMISE, seed=7, **wishes)
        return await self._call("StartGeneration", pb.StartGenerationRequest(request_id=request_id, story=story))

    async def command(self, verb: str, generation_id: str) -> Answer:
        """Ask to "cancel", "pause", "resume" or "retry" it."""
        rpc = f"{verb.capitalize()}Generation"
        return await self._call(rpc, STORY.request(rpc)(generation_id=generation_id))

    async def _call(self, rpc: str, request: Any) -> Answer:
        began = time.monotonic()
        try:
            response = await self.client.call(rpc, request, NOBODY, CALL_SECONDS)
        except FabulaError as error:
            cause = error.__cause__
            assert isinstance(cause, grpc.aio.AioRpcError)
            retry = any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in details_of(cause))
            generation_id = str(getattr(request, "generation_id", ""))
            return Answer(error, retry, time.monotonic() - began, generation_id)
        return Answer(None, retry=False, seconds=time.monotonic() - began, generation_id=response.generation.id)


@asynccontextmanager
async def callers_of(system: System) -> AsyncIterator[Callers]:
    """Open a connection to a system's story service."""
    async with open_channel(system.story_address) as channel:
        yield Callers(Client(STORY, channel))
