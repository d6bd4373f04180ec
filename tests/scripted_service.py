"""A real gRPC service that serves logs a test writes, and fails as the test says: of stories, or of another kind.

It keeps the contract of `WatchProgress` as the real service does: cursors, snapshots, resets, owners, the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from fabula.api.generation.v1 import generation_pb2
from fabula.api.image.v1 import image_pb2, image_pb2_grpc
from fabula.api.story.v1 import story_pb2, story_pb2_grpc
from fabula.errors import Conflict, FabulaError, NotFound, Unavailable
from fabula.rpc.auth import LOCAL_OWNER, Authenticator, bearer
from fabula.rpc.errors import to_status
from fabula.rpc.kinds import IMAGE, STORY, Kind
from fabula.rpc.server import SERVER_OPTIONS
from fabula.rpc.validation import validate
from fabula.webhooks.addresses import Rules
from fabula.webhooks.office import WebhookOffice
from tests.records import MemoryRecords

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
    kind: Kind = STORY
    responses: list[Any] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    shown: list[Any] = field(default_factory=list)
    cuts: int = 0

    def cut(self) -> None:
        """Cut all watches of this log that are open now, as a lost connection does."""
        self.cuts += 1
        self._tell()

    def append(self, **body: Any) -> int:
        """Append an event, e.g. `append(text_delta={"text": "x"})`; return its sequence."""
        event = self._event(len(self.responses) + 1, body)
        self.responses.append(self._response(event))
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
        self.shown.append(self._response(self._event(0, body)))
        self._tell()

    @property
    def newest_previews(self) -> int:
        """How many of those shown last are previews of different pictures: a new watch is shown these at once."""
        places: set[int] = set()
        for response in reversed(self.shown):
            event = response.event
            if not event.HasField("preview") or event.preview.index in places:
                break
            places.add(event.preview.index)
        return len(places)

    def folded(self, body: str, **content: Any) -> Any:
        """Return a snapshot or reset of the log as it stands."""
        event = self._event(len(self.responses), {body: content})
        event.state = self.responses[-1].event.state
        event_body = getattr(event, body)
        inner = event_body.snapshot if body == "reset" else event_body
        self._fold_into(inner)
        return self._response(event, **{self.kind.name: self.so_far})

    def _response(self, event: generation_pb2.Event, **output: Any) -> Any:
        response: Any = self.kind.response("WatchProgress")(event=event, **output)
        return response

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
    def so_far(self) -> Any:
        """What there is so far: the story as far as it is written; the pictures once they are decoded."""
        if self.kind is IMAGE:
            results = [response.image for response in self.responses if response.HasField("image")]
            return results[-1] if results else image_pb2.Image()
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
            id=self.id, kind=self.kind.name, state=last.state, last_sequence=last.sequence, create_time=first.time
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


class Scripted:
    """Serves scripted logs.

    Attributes:
        kind: Of which kind.
        logs: The generations there are.
        faults: What goes wrong.
        watches: Every request of `WatchProgress` there was.
        open_watches: How many are open now.
        commands: Every command that was carried out, as (rpc, generation id).
        slow: Commands wait for this.
        feed_cuts: Raised to cut all feeds that are open.
    """

    kind = STORY

    def __init__(self, secret: str | None = None) -> None:
        self.logs: dict[str, ScriptedLog] = {}
        self.faults = Faults()
        self.watches: list[Any] = []
        self.open_watches = 0
        self.feed_cuts = 0
        self.commands: list[tuple[str, str]] = []
        self.slow = asyncio.Event()
        self.slow.set()
        self._authenticator = Authenticator(secret)

    def new(self, number: int = 1, owner: str = LOCAL_OWNER) -> ScriptedLog:
        """Add a generation whose log has its first event."""
        log = ScriptedLog(f"{self.kind.name}-00000000-0000-4000-8000-{number:012}", owner, self.kind)
        self.logs[log.id] = log
        log.append(accepted={"kind": self.kind.name, "owner": owner})
        return log

    async def StartGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the contract names it
        """Accept any valid request."""
        async with _answering(context):
            owner = self._owner(context)
            validate(request)
            log = self.new(len(self.logs) + 1, owner)
            log.responses[0].request.CopyFrom(getattr(request, self.kind.name))
            return self.kind.response("StartGeneration")(generation=log.summary)

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

    async def _watch(self, log: ScriptedLog, request: Any) -> AsyncIterator[Any]:
        cursor, cuts = request.after_sequence, log.cuts
        seen = len(log.shown) - log.newest_previews
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
            while seen < len(log.shown) and not log.ended:
                seen += 1
                yield log.shown[seen - 1]
            if cursor < len(log.responses):
                continue
            if log.ended:
                return
            await news.wait()

    async def GetGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a generation."""
        async with _answering(context):
            log = self._find(request.generation_id, context)
            if request.view == generation_pb2.GENERATION_VIEW_BASIC:
                return self.kind.response("GetGeneration")(generation=log.summary)
            request = log.responses[0].request
            return self.kind.response("GetGeneration")(
                generation=log.summary, request=request, **{self.kind.name: log.so_far}
            )

    async def ListGenerations(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the owner's generations."""
        async with _answering(context):
            owner = self._owner(context)
            validate(request)
            mine = [log.summary for log in self.logs.values() if log.owner == owner]
            wanted = [each for each in mine if not request.states or each.state in request.states]
            start, size = int(request.page_token or 0), request.page_size or 20
            token = str(start + size) if start + size < len(wanted) else ""
            return self.kind.response("ListGenerations")(
                generations=wanted[start : start + size], next_page_token=token
            )

    async def WatchGenerations(self, _request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tell of the owner's generations as they are now, newest first, and then of what changes."""
        async with _answering(context):
            owner, cuts, told = self._owner(context), self.feed_cuts, dict[str, int]()
            while True:
                for log in reversed([log for log in self.logs.values() if log.owner == owner]):
                    if told.get(log.id) != len(log.responses):
                        told[log.id] = len(log.responses)
                        yield self.kind.response("WatchGenerations")(generation=log.summary)
                for id_ in told.keys() - self.logs.keys():
                    del told[id_]
                    yield self.kind.response("WatchGenerations")(generation={"id": id_}, deleted=True)
                await asyncio.sleep(0.01)
                if self.feed_cuts != cuts:
                    raise Unavailable("cut, as the test wants it")

    async def CancelGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Cancel a generation; one that has ended cannot be."""
        async with _answering(context):
            log = self._find(request.generation_id, context)
            await self.slow.wait()
            if log.ended:
                raise Conflict("it has ended")
            self.commands.append(("CancelGeneration", log.id))
            log.append(cancelled={})
            return self.kind.response("CancelGeneration")(generation=log.summary)

    async def PauseGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Pause a generation."""
        async with _answering(context):
            log = self._command("PauseGeneration", request, context, paused={})
            return self.kind.response("PauseGeneration")(generation=log.summary)

    async def ResumeGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Go on with a generation."""
        async with _answering(context):
            log = self._command("ResumeGeneration", request, context, resumed={})
            return self.kind.response("ResumeGeneration")(generation=log.summary)

    async def RetryGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Begin a new run."""
        async with _answering(context):
            log = self._command(
                "RetryGeneration", request, context, retried={"from_stage": request.from_stage or "write-1"}
            )
            return self.kind.response("RetryGeneration")(generation=log.summary)

    async def DeleteGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Delete a generation."""
        async with _answering(context):
            del self.logs[self._find(request.generation_id, context).id]
            return self.kind.response("DeleteGeneration")()

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
        return self._authenticator.check(bearer(context.invocation_metadata() or ())).owner


class ScriptedStories(Scripted, story_pb2_grpc.StoryServiceServicer):
    """Serves scripted stories."""

    async def ListTemplates(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """Return one template."""
        async with _answering(context):
            self._owner(context)
            story = story_pb2.StoryRequest(premise="An owl.")
            return story_pb2.ListTemplatesResponse(templates=[story_pb2.Template(name="owl", story=story)])


class ScriptedImages(Scripted, image_pb2_grpc.ImageServiceServicer):
    """Serves scripted pictures.

    Attributes:
        model: What the loaded model can do; None: none is loaded yet.
        files: The bytes of the pictures, by the digest in their blob.
        sent: Bytes of pictures handed to gRPC so far.
    """

    kind = IMAGE

    def __init__(self, secret: str | None = None) -> None:
        super().__init__(secret)
        self.model: image_pb2.Model | None = image_pb2.Model(
            name="painter/1", default_width=256, default_height=256, min_side=64, max_side=512, side_multiple=8,
            default_steps=20, max_steps=150, max_count=8, takes_source=True,
        )  # fmt: skip
        self.files: dict[str, bytes] = {}
        self.sent = 0

    def picture(self, data: bytes, index: int = 0, media_type: str = "image/png") -> image_pb2.Picture:
        """Keep the bytes of a picture, and return it."""
        digest = sha256(data).hexdigest()
        self.files[digest] = data
        blob = generation_pb2.Blob(name=digest, size_bytes=len(data), media_type=media_type, sha256=digest)
        return image_pb2.Picture(index=index, seed=7 + index, width=256, height=256, blob=blob)

    def paint(self, log: ScriptedLog, *files: bytes) -> None:
        """End a run with these pictures."""
        pictures = [self.picture(data, index) for index, data in enumerate(files)]
        image = image_pb2.Image(pictures=pictures, seed=7, model="painter/1", base_steps=20, scheduler="euler")
        log.succeed(image=json_format.MessageToDict(image))

    async def GetModel(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """Tell of the model."""
        async with _answering(context):
            self._owner(context)
            if self.model is None:
                raise Unavailable("no worker has loaded a model yet: try again")
            return image_pb2.GetModelResponse(model=self.model)

    async def DownloadPicture(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Stream a picture."""
        async with _answering(context):
            log = self._find(request.generation_id, context)
            pictures = log.so_far.pictures
            if not pictures:
                raise Conflict("there is no picture yet")
            if request.index >= len(pictures):
                raise NotFound(f"there is no picture {request.index}", id=log.id)
            picture = pictures[request.index]
            stop = request.offset + request.limit if request.limit else None
            data = self.files[picture.blob.sha256][request.offset : stop]
            yield image_pb2.DownloadPictureResponse(picture=picture)
            for start in range(0, len(data), 65536):
                piece = data[start : start + 65536]
                self.sent += len(piece)
                yield image_pb2.DownloadPictureResponse(data=piece)


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
    images: ScriptedImages | None = None
    port: int = 0
    health: Any = None
    _server: Any = None

    @property
    def address(self) -> str:
        """Where it is."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Begin to serve."""
        self._server = grpc.aio.server(options=[*SERVER_OPTIONS, ("grpc.max_receive_message_length", 16 << 20)])
        story_pb2_grpc.add_StoryServiceServicer_to_server(self.stories, self._server)  # type: ignore[no-untyped-call, unused-ignore]
        self.health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        await self.health.set(STORY.service, health_pb2.HealthCheckResponse.SERVING)
        if self.images is not None:
            image_pb2_grpc.add_ImageServiceServicer_to_server(self.images, self._server)  # type: ignore[no-untyped-call, unused-ignore]
            await self.health.set(IMAGE.service, health_pb2.HealthCheckResponse.SERVING)
        webhooks = WebhookOffice(MemoryRecords(), Rules()).edge(Authenticator(None))
        self._server.add_generic_rpc_handlers((webhooks.handler(),))
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
