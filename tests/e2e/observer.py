"""Watchers that write down what they see, are cut off at random, come back by their cursor, and check it all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from fabula.api.generation.v1.generation_pb2 import Event, State
from fabula.api.story.v1.story_pb2 import Chapter, Story
from fabula.rpc.kinds import STORY, Kind
from tests.e2e.doors import Door, EventStream, Grpc, GrpcClient, Lost, Response, WebSocketDoor
from tests.e2e.grpc_web_door import GrpcWebDoor

PATIENCE_SECONDS = 40.0
LONGEST_ABSENCE_SECONDS = 0.3

ENDINGS = {"succeeded": State.STATE_SUCCEEDED, "failed": State.STATE_FAILED, "cancelled": State.STATE_CANCELLED}


class Reachable(Protocol):
    """A system, or something that stands between a watcher and a system."""

    @property
    def url(self) -> str:
        """Where the gateway is."""
        ...

    @property
    def story_address(self) -> str:
        """Where the story server is."""
        ...


def all_doors(system: Reachable) -> list[Door]:
    """Return every door of a system to its stories."""
    return doors_to(STORY, system.story_address, system.url)


def doors_to(kind: Kind, address: str, url: str) -> list[Door]:
    """Return every door to what a generator makes.

    Args:
        kind: Which generator.
        address: Of its server.
        url: Of the gateway.
    """
    return [
        Grpc(address, kind=kind),
        GrpcClient(address, kind=kind),
        WebSocketDoor(url, "fabula.v1.json"),
        WebSocketDoor(url, "fabula.v1.proto"),
        EventStream(url),
        EventStream(url, in_query=True),
        GrpcWebDoor(url, kind=kind),
        GrpcWebDoor(url, text=True, kind=kind),
    ]


def family(door: Door) -> str:
    """Return which of the four kinds of door this is: "gRPC", "WebSocket", "SSE" or "gRPC-Web"."""
    return "gRPC" if isinstance(door, Grpc | GrpcClient) else door.name.partition(" ")[0]


@dataclass
class Observer:
    """One watcher.

    Attributes:
        generation_id: What it watches.
        doors: Where it may come in; each connection takes one of them by chance.
        chance: Decides.
        cut_after: Events in a connection after which it may be cut, at least and at most; None: it is never cut.
        cuts_left: How often it may still be cut.
        patience_seconds: How long it tries to come back while it sees nothing new.
        responses: What it has seen of the log.
        aside: What it has seen that is not part of the log.
        times: When it saw each response, by the monotonic clock.
        cuts, losses: How often it was cut, and lost its connection without being cut.
        ended: Whether it was told that nothing more comes.
    """

    generation_id: str
    doors: Sequence[Door]
    chance: random.Random = field(default_factory=random.Random)
    cut_after: tuple[int, int] | None = None
    cuts_left: int = 0
    patience_seconds: float = PATIENCE_SECONDS
    responses: list[Response] = field(default_factory=list)
    aside: list[Response] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    cuts: int = 0
    losses: int = 0
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Its doors."""
        return " or ".join(door.name for door in self.doors)

    @property
    def where(self) -> str:
        """The kind of its first door."""
        return family(self.doors[0])

    @property
    def cursor(self) -> int:
        """The last event that it has."""
        return self.responses[-1].event.sequence if self.responses else 0

    @property
    def events(self) -> list[Event]:
        """What it has seen, without outputs."""
        return [response.event for response in self.responses]

    async def watch(self) -> None:
        """Watch to the end of the run, however often it is cut off."""
        self.ended = False
        deadline = time.monotonic() + self.patience_seconds
        while not self.ended:
            before = len(self.responses)
            try:
                await self._one_connection(self.chance.choice(self.doors))
            except Lost as lost:
                self.losses += 1
                if len(self.responses) > before:
                    deadline = time.monotonic() + self.patience_seconds
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self.name} cannot come back after {self.cursor}: {lost}") from lost
                await asyncio.sleep(0.05)
        self._tell()

    async def _one_connection(self, door: Door) -> None:
        cut_at = self.chance.randint(*self.cut_after) if self.cut_after and self.cuts_left else None
        seen = 0
        async with aclosing(door.connect(self.generation_id, self.cursor)) as connection:
            async for response in connection:
                if response is not None:
                    self._record(response)
                    seen += 1
                if cut_at is not None and seen >= cut_at:
                    break
            else:
                self.ended = True
                return
        self.cuts += 1
        self.cuts_left -= 1
        await asyncio.sleep(self.chance.uniform(0, LONGEST_ABSENCE_SECONDS))

    def _record(self, response: Response) -> None:
        if response.event.sequence:
            self.responses.append(response)
            self.times.append(time.monotonic())
        else:
            self.aside.append(response)
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def until(self, holds: Callable[[Observer], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something is true of what was seen."""
        try:
            async with asyncio.timeout(seconds):
                while not holds(self):
                    await self._news.wait()
        except TimeoutError:
            last = self.responses[-1] if self.responses else None
            raise AssertionError(f"{self.name} has not seen what it should; the last it saw: {last}") from None

    async def until_events(self, count: int) -> None:
        """Wait until so many events were seen, or there are no more."""
        await self.until(lambda seen: len(seen.responses) >= count or seen.ended)

    async def until_writing(self, stage: str, words: int = 5) -> None:
        """Wait until a stage is in the middle of its text."""
        await self.until(lambda seen: len(texts_of(seen.events).get(stage, "").split()) > words)

    def longest_silence_after(self, moment: float) -> float:
        """Return the longest time in seconds that it waited for an event after a moment."""
        after = [moment, *(seen for seen in self.times if seen > moment)]
        return max(late - early for early, late in pairwise(after))


def sequences(observer: Observer) -> list[int]:
    """Return the sequences in the order seen."""
    return [event.sequence for event in observer.events]


def bodies(observer: Observer) -> list[str]:
    """Return what happened, by name, in order."""
    return [event.WhichOneof("body") or "" for event in observer.events]


def texts_of(events: Sequence[Event]) -> dict[str, str]:
    """Join the deltas of each stage; each must begin where the one before ended."""
    texts: dict[str, str] = {}
    for event in events:
        match event.WhichOneof("body"):
            case "stage_restarted":
                texts.pop(event.stage_restarted.stage, None)
            case "stage_started":
                texts.pop(event.stage_started.stage, None)
            case "text_delta":
                delta = event.text_delta
                before = texts.get(delta.stage, "")
                assert len(before) == delta.offset, f"event {event.sequence} leaves a gap or repeats text"
                texts[delta.stage] = before + delta.text
    return texts


def stages(observer: Observer, body: str) -> list[str]:
    """Return the stages named by all events of one kind, e.g. "stage_started"."""
    return [getattr(event, body).stage for event in observer.events if event.WhichOneof("body") == body]


def written_chapters(observer: Observer) -> list[str]:
    """Return the text of each chapter as it was streamed."""
    texts = texts_of(observer.events)
    return [texts[name] for name in sorted(texts, key=_number) if name.startswith("write-")]


def _number(stage: str) -> int:
    return int(stage.rpartition("-")[2])


def check_log(observer: Observer) -> None:
    """Check the rules of the log on what was seen: 1 … N exactly once, one end, progress that never goes back."""
    events = observer.events
    assert observer.ended, f"{observer.name} was not told of the end"
    assert list(range(1, len(events) + 1)) == sequences(observer), observer.name
    _check_runs(events)
    _check_stages(events)
    texts_of(events)


def _check_runs(events: Sequence[Event]) -> None:
    run, fraction, ending = 1, 0.0, ""
    for event in events:
        body = event.WhichOneof("body") or ""
        if ending:
            assert (ending, body) == ("failed", "retried"), f"{body} follows {ending}"
            run, fraction, ending = run + 1, 0.0, ""
        assert event.run == run
        assert event.progress.fraction >= fraction, f"progress goes back at {event.sequence}"
        fraction = event.progress.fraction
        assert (fraction == 1.0) == (body == "succeeded"), f"{fraction} at {event.sequence}: {body}"
        if body in ENDINGS:
            ending = body
            assert ENDINGS[body] == event.state
    assert ending, "the log has no end"


def _check_stages(events: Sequence[Event]) -> None:
    """A stage starts once in a run unless a retry takes it back, and nothing of it comes after its end."""
    open_stages: set[str] = set()
    finished: list[str] = []
    for event in events:
        body = event.WhichOneof("body") or ""
        if body == "retried":
            first = event.retried.from_stage
            finished = finished[: finished.index(first)] if first in finished else finished
            open_stages.clear()
        if body not in ("stage_started", "stage_restarted", "stage_finished", "text_delta", "advanced"):
            continue
        stage = getattr(event, body).stage
        assert stage not in finished, f"{body} of {stage}, which is finished, at {event.sequence}"
        assert (stage in open_stages) == (body != "stage_started"), f"{body} of {stage} at {event.sequence}"
        open_stages.add(stage)
        if body == "stage_finished":
            finished.append(stage)
            open_stages.remove(stage)


def check_story(observer: Observer) -> Story:
    """Check a story that has succeeded: its log, and that its text is what was streamed. Return it."""
    check_log(observer)
    story: Story = observer.responses[-1].story
    assert bodies(observer)[-1] == "succeeded"
    kept = {
        response.event.stage_finished.stage: response.chapter for response in observer.responses if _is_kept(response)
    }
    assert [chapter.text for chapter in kept.values()] == written_chapters(observer)
    if story.model.startswith("grammar/"):  # a model's text may be tidied, or revised
        assert [_plain(chapter) for chapter in kept.values()] == [_plain(chapter) for chapter in story.chapters]
    for chapter in story.chapters:
        assert chapter.text in story.text
    return story


def _is_kept(response: Response) -> bool:
    return bool(response.event.WhichOneof("body") == "stage_finished" and response.HasField("chapter"))


def _plain(chapter: Chapter) -> tuple[int, str, list[str]]:
    return chapter.number, chapter.title, chapter.text.split()


def check_equal(observers: Sequence[Observer]) -> None:
    """Check that all have seen the very same log."""
    first, *others = observers
    expected = [response.SerializeToString(deterministic=True) for response in first.responses]
    for other in others:
        seen = [response.SerializeToString(deterministic=True) for response in other.responses]
        assert expected == seen, f"{other.name} has seen another log than {first.name}"
