"""What a dialect costs: the time in which an event becomes a message in its words, without any door."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from bench.audience import PIECE
from bench.stage import Stage, encoded, new_address
from bench.table import Row
from fabula.api.character.v1 import character_pb2
from fabula.api.image.v1 import image_pb2
from fabula.api.story.v1 import story_pb2
from fabula.engine.events import StageStarted, State
from fabula.rpc.kinds import CHARACTER, IMAGE, STORY
from gateway.dialects.character_sessions import CHARACTER_SESSIONS
from gateway.dialects.content_pipeline import CONTENT_PIPELINE
from gateway.dialects.dialect import Dialect
from gateway.dialects.image_tasks import ImageTasks
from gateway.dialects.native import NativeJson, entry_frame
from gateway.dialects.story_rooms import STORY_ROOMS
from gateway.dialects.workshop import WORKSHOP
from gateway.doors.speech import text_of
from gateway.entries import SharedEntry, read_entry

EVENTS = 3_000
"""Events of one round."""
ROUNDS = 5

_NATIVE = NativeJson()


def _entries() -> Mapping[str, SharedEntry]:
    """Return an event of each kind of log, as a gateway reads it: the beginning of a stage."""
    address = new_address()
    (entry,) = encoded(address, [StageStarted("outline", ("Planner",))], 4, State.RUNNING, PIECE)
    event = story_pb2.WatchProgressResponse.FromString(entry.data).event
    story = story_pb2.WatchProgressResponse(event=event)
    event.stage_started.stage = event.progress.stage = "generate_details"
    character = character_pb2.WatchProgressResponse(event=event)
    event.stage_started.stage = event.progress.stage = "base_model"
    event.progress.step, event.progress.steps = 10, 25
    image = image_pb2.WatchProgressResponse(event=event)
    return {
        kind.name: read_entry(kind, address.id, message.SerializeToString())
        for kind, message in ((STORY, story), (CHARACTER, character), (IMAGE, image))
    }


_DIALECTS: Mapping[str, tuple[str, Dialect]] = {
    "A, story workshop": ("story", WORKSHOP),
    "B, stories over Socket.IO": ("story", STORY_ROOMS),
    "C, automated characters": ("character", CHARACTER_SESSIONS),
    "D, content pipeline": ("story", CONTENT_PIPELINE),
    "E, image tasks": ("image", ImageTasks("bench")),
}


async def translated(_stage: Stage) -> list[Row]:
    """Time of one event in each dialect, and in the native one as JSON."""
    entries = _entries()
    ours: dict[str, list[float]] = {name: [] for name in _DIALECTS}
    theirs: dict[str, list[float]] = {name: [] for name in _DIALECTS}
    for _ in range(ROUNDS):
        for name, (kind, dialect) in _DIALECTS.items():
            entry = entries[kind]
            ours[name].append(_microseconds(_said(dialect, entry)))
            theirs[name].append(_microseconds(_natively(entry)))
    against = "the native dialect, as JSON"
    return [
        Row(f"an event in dialect {name}", "µs", ours[name], theirs[name], against, "≤ 1", lower_is_better=True)
        for name in _DIALECTS
    ]


def _said(dialect: Dialect, entry: SharedEntry) -> Callable[[], object]:
    translator = dialect.translator(entry.generation_id)
    if not translator.payloads(entry):
        raise ValueError(f"dialect {dialect.name} has no words for the event")
    return lambda: [text_of(payload.data) for payload in translator.payloads(entry)]


def _natively(entry: SharedEntry) -> Callable[[], object]:
    return lambda: _NATIVE.encode(entry_frame(entry))


def _microseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    for _ in range(EVENTS):
        work()
    return (time.perf_counter() - begun) * 1e6 / EVENTS
