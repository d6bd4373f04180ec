"""What a watcher is told of a log, and recorded logs to tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from fabula.rpc.kinds import STORY
from gateway.dialects.dialect import Dialect, Payload
from gateway.entries import SharedEntry, read_entry
from tests.golden import FOLDER, load


def told(dialect: Dialect, entries: Sequence[SharedEntry]) -> list[Payload]:
    """Return what a new watcher is told of entries."""
    translator = dialect.translator(entries[0].generation_id)
    return [payload for entry in entries for payload in translator.payloads(entry)]


def data_of(dialect: Dialect, entries: Sequence[SharedEntry]) -> list[dict[str, Any]]:
    """Return the contents of what a new watcher is told."""
    return [payload.data for payload in told(dialect, entries)]


def by_run(dialect: Dialect, entries: Sequence[SharedEntry]) -> list[list[Payload]]:
    """Return what a watcher is told, parted by runs; a run begins with the retry that asks for it."""
    translator = dialect.translator(entries[0].generation_id)
    run, parted = 1, []
    for entry in entries:
        run = entry.response.event.run if entry.sequence else run
        parted += [(run, payload) for payload in translator.payloads(entry)]
    return [[payload for _, payload in group] for _, group in groupby(parted, key=lambda pair: pair[0])]


def recorded(name: str) -> list[SharedEntry]:
    """Return a recorded log as a watcher gets it."""
    entries = load(FOLDER / f"{name}.json")
    id_ = read_entry(STORY, "", entries[0].data).response.event.generation_id
    return [read_entry(STORY, id_, entry.data) for entry in entries]
