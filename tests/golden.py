"""Recorded histories: logs of real generations as JSON, and what is to be read from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from fabula.engine.history import Snapshot, StageView, fold
from fabula.engine.ports import Address, Entry, EventLog, Tag
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import CHARACTER, KINDS, STORY
from services.character.codec import CharacterCodec
from services.character.sheet import Character
from services.story.codec import StoryCodec
from services.story.domain import Story

FOLDER = Path(__file__).parent / "histories"

CODECS = {"story": ProtoCodec(STORY, StoryCodec()), "character": ProtoCodec(CHARACTER, CharacterCodec())}
"""Of the kinds that histories are recorded of."""


def kind_of(path: Path) -> str:
    """Return of what kind a recorded generation is: its id begins with that."""
    id_: str = json.loads(path.read_text())[0]["event"]["generationId"]
    return id_.partition("-")[0]


def load(path: Path) -> list[Entry]:
    """Return a recorded log as the entries that were stored."""
    response = KINDS[kind_of(path)].response("WatchProgress")
    responses: list[Any] = [json_format.ParseDict(event, response()) for event in json.loads(path.read_text())]
    return [
        Entry(response.event.sequence, Tag.STATE, response.SerializeToString(deterministic=True))
        for response in responses
    ]


def save(path: Path, entries: Sequence[bytes], kind: str = "story") -> None:
    """Write a log, one event to a line. Names of workers tell the machine they ran on: they are made up anew."""
    workers: dict[str, str] = {}
    lines: list[str] = []
    for data in entries:
        response: Any = KINDS[kind].response("WatchProgress").FromString(data)
        for body in (response.event.claimed, response.event.released):
            if body.worker:
                body.worker = workers.setdefault(body.worker, f"worker-{len(workers) + 1}")
        event = json_format.MessageToDict(response)
        lines.append(json.dumps(event, ensure_ascii=False))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


async def record(log: EventLog, address: Address, name: str) -> str:
    """Write a generation's log and its snapshot under this name; return a line that tells what they are."""
    async with aclosing(log.read(address)) as records:
        entries = [entry async for one in records for entry in one.entries]
    save(FOLDER / f"{name}.json", [entry.data for entry in entries], address.kind)
    snapshot = summary(fold(map(CODECS[address.kind].decode, entries)))
    (FOLDER / f"{name}.snapshot.json").write_text(json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n")
    return f"{name}: {len(entries)} events, {snapshot['state']}"


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """Return what a snapshot says, small enough to be read by people."""
    result = snapshot.result
    return {
        "sequence": snapshot.sequence,
        "state": snapshot.state,
        "pending": snapshot.pending,
        "run": snapshot.run,
        "attempt": snapshot.attempt,
        "queued_sequence": snapshot.queued_sequence,
        "kind": snapshot.kind,
        "owner": snapshot.owner,
        "fraction": snapshot.progress.fraction,
        "elapsed": snapshot.progress.elapsed,
        "failure": snapshot.failure.code if snapshot.failure else "",
        "failed_stage": snapshot.failed_stage,
        "stages": {view.name: _stage(view) for view in snapshot.stages.values()},
        "result": _result(result),
        "update_time": snapshot.update_time.isoformat(),
    }


def _result(result: object) -> str:
    """Return a line about what was made."""
    match result:
        case Story():
            return _digest(result.text)
        case Character(details=details) if details is not None:
            return f"{details.first_name} {details.last_name}, {_digest(result.history)}, avatar {result.avatar.state}"
        case _:
            return ""


def _stage(view: StageView) -> str:
    """Return one line about a stage."""
    what = f"finished in {view.elapsed} s, {view.units} units" if view.finished else "not finished"
    return f"{what}, output {type(view.output).__name__}, {_digest(view.text)}"


def _digest(text: str) -> str:
    return f"{len(text)} characters {hashlib.sha256(text.encode()).hexdigest()[:16]}"
