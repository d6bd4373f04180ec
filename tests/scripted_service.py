"""A real gRPC story service that serves logs a test writes, and fails as the test says.

It keeps the contract of `WatchProgress` as the real service does: cursors, snapshots, resets, owners, the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from fabula.api.generation.v1 import generation_pb2
from fabula.api.story.v1 import story_pb2, story_pb2_grpc
from fabula.errors import Conflict, FabulaError, NotFound, Unavailable
from fabula.rpc.auth import LOCAL_OWNER, Authenticator, bearer
from fabula.rpc.errors import to_status
from fabula.rpc.kinds import STORY
from fabula.rpc.server import SERVER_OPTIONS
from fabula.rpc.validation import validate

TERMINAL = {
    "succeeded": generation_pb2.STATE_SUCCEEDED,
    "failed": generation_pb2.STATE_FAILED,
    "cancelled": generation_pb2.STATE_CANCELLED,
}


@dataclass(slots=True)
class ScriptedLog:
    """One generation's log, written by a test."""

    id: str
    owner: str = LOCAL_OWNER
    responses: list[story_pb2.WatchProgressResponse] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    shown: list[story_pb2.WatchProgressResponse] = field(default_factory=list)
    cuts: int = 0

    def cut(self) -> None:
        """Cut all watches of this log that are open now, as a lost connection does."""
        self.cuts += 1
        self._tell()

    def append(self, **body: Any) -> int:
        """Append an event, e.g. `append(text_delta={"text": "x"})`; return its sequence."""
        event = self._event(len(self.responses) + 1, body)
        self.responses.append(story_pb2.WatchProgressResponse(event=event))
        self._tell()
        return event.sequence

    def write(self, text: str) -> int:
        """Append a piece of text."""
        return self.append(text_delta={"stage": "write-1", "text": text})

    def finish(self, stage: str, **output: Any) -> int:
        """Append the end of a stage with its output, e.g. `finish("outline", outline={…})`."""
        sequence = self.append(stage_finished={"stage": stage})
        self._put_out(output)
        return sequence

    def succeed(self, **output: Any) -> int:
        """Append the end of the run with its result."""
        sequence = self.append(succeeded={})
        self._put_out(output)
        return sequence

    def _put_out(self, output: dict[str, Any]) -> None:
        # Nothing was sent yet: watchers run only when the test waits.
        json_format.ParseDict(output, self.responses[-1])

    def show(self, **body: Any) -> None:
        """Send an event that is not part of the log to who watches now."""
        self.shown.append(story_pb2.WatchProgressResponse(event=self._event(0, body)))
        self._tell()

    def folded(self, body: str, **content: Any) -> story_pb2.WatchProgressResponse:
        """Return a snapshot or reset of the log as it stands."""
        event = self._event(len(self.responses), {body: content})
        event.state = self.responses[-1].event.state
        event_body = getattr(event, body)
        inner = event_body.snapshot if body == "reset" else event_body
        self._fold_into(inner)
        return story_pb2.WatchProgressResponse(event=event, story=self.so_far)

    def _fold_into(self, snapshot: Any) -> None:
        for response in self.responses:
            event = response.event
            if event.HasField("stage_started"):
                snapshot.stages.add(stage=event.stage_started.stage)
            if event.HasField("stage_finished") and snapshot.stages:
                snapshot.stages[-1].finished = True
            if event.HasField("text_delta") and snapshot.stages:
                snapshot.stages[-1].text += event.text_delta.text
            if event.HasField("failed"):
                snapshot.failure.CopyFrom(event.failed.failure)

    @property
    def so_far(self) -> story_pb2.Story:
        """The story as far as it is written."""
        story = story_pb2.Story(text=self.text)
        for response in self.responses:
            if response.HasField("outline"):
                story.outline.CopyFrom(response.outline)
        return story

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(response.event.text_delta.text for response in self.responses)

    @property
    def ended(self) -> bool:
        """Whether the newest event ends the run."""
        return bool(self.responses) and self.responses[-1].event.state in TERMINAL.values()

    @property
    def summary(self) -> generation_pb2.Generation:
        """The generation in short."""
        first, last = self.responses[0].event, self.responses[-1].event
        return generation_pb2.Generation(
            id=self.id, kind="story", state=last.state, last_sequence=last.sequence, create_time=first.time
        )

    def _event(self, sequence: int, body: dict[str, Any]) -> generation_pb2.Event:
        paused = generation_pb2.STATE_PAUSED if "paused" in body else generation_pb2.STATE_RUNNING
        state = TERMINAL.get(next(iter(body)), paused)
        event = generation_pb2.Event(generation_id=self.id, sequence=sequence, state=state, run=1, **body)
        event.time.GetCurrentTime()
        return event

    def _tell(self) -> None:
        news, self.news = self.news, asyncio.Event()
        news.set()


@dataclass(slots=True)
class Faults:
    """What goes wrong, as the test says.

    Attributes:
        cut_after: Every watch is cut after so many messages, as by a lost connection; None: never.
        silent: Calls that find the service unavailable before it answers again.
        reset_next: Watches from a cursor that are answered with a reset although the log has it.
    """

    cut_after: int | None = None
    silent: int = 0
    reset_next: int = 0


class ScriptedStories(story_pb2_grpc.StoryServiceServicer):
    """Serves scripted logs.

    Attributes:
        logs: The generations there are.
        faults: What goes wrong.
        watches: Every request of `WatchProgress` there was.
        open_watches: How many are open now.
        commands: Every command that was carried out, as (rpc, generation id).
        slow: Commands wait for this.
    """

    def __init__(self, secret: str | None = None) -> None:
        self.logs: dict[str, ScriptedLog] = {}
        self.faults = Faults()
        self.watches: list[story_pb2.WatchProgressRequest] = []
        self.open_watches = 0
        self.commands: list[tuple[str, str]] = []
        self.slow = asyncio.Event()
        self.slow.set()
        self._authenticator = Authenticator(secret)

    def new(self, number: int = 1, owner: str = LOCAL_OWNER) -> ScriptedLog:
        """Add a generation whose log has its first event."""
        log = ScriptedLog(f"story-00000000-0000-4000-8000-{number:012}", owner)
        self.logs[log.id] = log
        log.append(accepted={"kind": "story", "owner": owner})
        return log

    async def StartGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the contract names it
        """Accept any valid request."""
        async with _answering(context):
            owner = self._owner(context)
            validate(request)
            log = self.new(len(self.logs) + 1, owner)
            log.responses[0].request.CopyFrom(request.story)
            return story_pb2.StartGenerationResponse(generation=log.summary)

    async def WatchProgress(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Serve a log from a cursor."""
        self.watches.append(request)
        self.open_watches += 1
        try:
            async with _answering(context):
                sent = 0
                async for response in self._watch(self._find(request.generation_id, context), request):
                    if sent == self.faults.cut_after:
                        raise Unavailable("cut, as the test wants it")
                    yield response
                    sent += 1
        finally:
            self.open_watches -= 1

    async def _watch(self, log: ScriptedLog, request: Any) -> AsyncIterator[story_pb2.WatchProgressResponse]:
        cursor, seen, cuts = request.after_sequence, len(log.shown), log.cuts
        if cursor > len(log.responses) or (cursor and self.faults.reset_next):
            self.faults.reset_next = max(0, self.faults.reset_next - 1)
            yield log.folded("reset", reason="the cursor is ahead of the log")
            cursor = len(log.responses)
        elif request.snapshot and not cursor:
            yield log.folded("snapshot")
            cursor = len(log.responses)
        while True:
            news = log.news
            if log.cuts != cuts:
                raise Unavailable("cut, as the test wants it")
            while cursor < len(log.responses):
                yield log.responses[cursor]
                cursor += 1
            for response in log.shown[seen:]:
                yield response
            seen = len(log.shown)
            if log.ended:
                return
            await news.wait()

    async def GetGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a generation."""
        async with _answering(context):
            log = self._find(request.generation_id, context)
            if request.view == generation_pb2.GENERATION_VIEW_BASIC:
                return story_pb2.GetGenerationResponse(generation=log.summary)
            request = log.responses[0].request
            return story_pb2.GetGenerationResponse(generation=log.summary, request=request, story=log.so_far)

    async def ListGenerations(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the owner's generations."""
        async with _answering(context):
            owner = self._owner(context)
            validate(request)
            mine = [log.summary for log in self.logs.values() if log.owner == owner]
            wanted = [each for each in mine if not request.states or each.state in request.states]
            return story_pb2.ListGenerationsResponse(generations=wanted[: request.page_size or 20])

    async def WatchGenerations(self, _request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tell of the owner's generations as they are now, and then of nothing."""
        async with _answering(context):
            owner = self._owner(context)
            for log in [log for log in self.logs.values() if log.owner == owner]:
                yield story_pb2.WatchGenerationsResponse(generation=log.summary)
            await asyncio.Event().wait()

    async def ListTemplates(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """Return one template."""
        async with _answering(context):
            self._owner(context)
            story = story_pb2.StoryRequest(premise="An owl.")
            return story_pb2.ListTemplatesResponse(templates=[story_pb2.Template(name="owl", story=story)])

    async def CancelGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Cancel a generation; one that has ended cannot be."""
        async with _answering(context):
            log = self._find(request.generation_id, context)
            await self.slow.wait()
            if log.ended:
                raise Conflict("it has ended")
            self.commands.append(("CancelGeneration", log.id))
            log.append(cancelled={})
            return story_pb2.CancelGenerationResponse(generation=log.summary)

    async def PauseGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Pause a generation."""
        async with _answering(context):
            log = self._command("PauseGeneration", request, context, paused={})
            return story_pb2.PauseGenerationResponse(generation=log.summary)

    async def ResumeGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Go on with a generation."""
        async with _answering(context):
            log = self._command("ResumeGeneration", request, context, resumed={})
            return story_pb2.ResumeGenerationResponse(generation=log.summary)

    async def RetryGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Begin a new run."""
        async with _answering(context):
            log = self._command(
                "RetryGeneration", request, context, retried={"from_stage": request.from_stage or "write-1"}
            )
            return story_pb2.RetryGenerationResponse(generation=log.summary)

    async def DeleteGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Delete a generation."""
        async with _answering(context):
            del self.logs[self._find(request.generation_id, context).id]
            return story_pb2.DeleteGenerationResponse()

    def _command(self, rpc: str, request: Any, context: Any, **body: Any) -> ScriptedLog:
        log = self._find(request.generation_id, context)
        self.commands.append((rpc, log.id))
        log.append(**body)
        return log

    def _find(self, generation_id: str, context: Any) -> ScriptedLog:
        owner = self._owner(context)
        if self.faults.silent:
            self.faults.silent -= 1
            raise Unavailable("silent, as the test wants it")
        log = self.logs.get(generation_id)
        if log is None or log.owner != owner:
            raise NotFound("there is no such generation", id=generation_id)
        return log

    def _owner(self, context: Any) -> str:
        return self._authenticator.owner(bearer(context.invocation_metadata() or ()))


@asynccontextmanager
async def _answering(context: Any) -> AsyncIterator[None]:
    try:
        yield
    except FabulaError as error:
        await context.abort_with_status(rpc_status.to_status(to_status(error)))


@dataclass(slots=True)
class ScriptedServer:
    """Runs the service on a port of loopback; it may be stopped and started again on the same one."""

    stories: ScriptedStories
    port: int = 0
    health: Any = None
    _server: Any = None

    @property
    def address(self) -> str:
        """Where it is."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Begin to serve."""
        self._server = grpc.aio.server(options=list(SERVER_OPTIONS))
        story_pb2_grpc.add_StoryServiceServicer_to_server(self.stories, self._server)  # type: ignore[no-untyped-call, unused-ignore]
        self.health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        await self.health.set(STORY.service, health_pb2.HealthCheckResponse.SERVING)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Stop at once: open calls are cut."""
        await self._server.stop(None)


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds that nobody signals; fail if it does not in time."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - a bounded poll
            await asyncio.sleep(0.005)
