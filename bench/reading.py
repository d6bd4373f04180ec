"""Taking up a long log: all its events or a snapshot of them, beside the quickest way to read it from JetStream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial

import nats
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from bench.readers import WATCH
from bench.stage import Stage, bodies, encoded, new_address, store, watch_request
from bench.table import Row
from fabula.engine.ports import Address
from fabula.journal import subjects

EVENTS = 10_000
ROUNDS = 5

_AGAINST = "batched direct get of the same records, not decoded"


async def replay(stage: Stage) -> list[Row]:
    """Time until a new watcher has a whole log, or its snapshot, and until a bare client has its records."""
    rows: list[Row] = []
    client = await nats.connect(stage.nats_url)
    for per_record in (1, 10):
        rows += await _compare(stage, client, per_record)
    await client.close()
    return rows


async def _compare(stage: Stage, client: Nats, per_record: int) -> list[Row]:
    replayed, snapshots, direct = [], [], []
    for _ in range(ROUNDS):
        address, events = await _new_log(stage, per_record)
        records = -(-events // per_record)
        replayed.append(await _seconds(partial(_watch, stage, address, events, snapshot=False)))
        direct.append(await _seconds(partial(_direct_get, client, address, records)))
        address, _ = await _new_log(stage, per_record)  # never read before, or the server would remember parts of it
        snapshots.append(await _seconds(partial(_watch, stage, address, 1, snapshot=True)))
    each = "each in a record of its own" if per_record == 1 else f"{per_record} to a record"
    return [
        Row(f"replay of {EVENTS:,} events to a new watcher, {each}", "s", replayed, direct, _AGAINST, "≤ 2", True, WHY),
        Row(f"the same as a snapshot, {each}", "s", snapshots, direct, _AGAINST, "≤ 2", True, WHY),
    ]


async def _new_log(stage: Stage, per_record: int) -> tuple[Address, int]:
    """Store a log; return where it is, and how many events it has."""
    address = new_address()
    entries = encoded(address, bodies(EVENTS))[:-1]  # a run that has not ended is what snapshots are for
    await store(stage.journal, address, entries, per_record=per_record)
    return address, len(entries)


WHY = (
    "The bare client takes whole records from the server and looks into none of them. Fabula sends every event in a "
    "gRPC message of its own, and to each of these goes more time than to reading it; a snapshot decodes and folds "
    "every event."
)


async def _seconds(read: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    await read()
    return time.perf_counter() - begun


async def _watch(stage: Stage, address: Address, messages: int, *, snapshot: bool) -> None:
    request = watch_request(address)
    request.snapshot = snapshot
    call = stage.channel.unary_stream(WATCH, None, None)(request.SerializeToString())
    left = messages
    async for _ in call:
        left -= 1
        if not left:
            break
    call.cancel()


async def _direct_get(client: Nats, address: Address, records: int) -> None:
    """Read all records of a log with one question (ADR-31 of NATS)."""
    inbox = client.new_inbox()
    ended = asyncio.Event()
    count = 0

    async def take(message: Msg) -> None:
        nonlocal count
        if (message.headers or {}).get("Status"):
            ended.set()
        else:
            count += 1

    subscription = await client.subscribe(inbox, cb=take)
    question = {"seq": 1, "next_by_subj": subjects.whole_log(address), "batch": records + 1}
    await client.publish(f"$JS.API.DIRECT.GET.{subjects.EVENTS_STREAM}", json.dumps(question).encode(), reply=inbox)
    await asyncio.wait_for(ended.wait(), 60)
    await subscription.unsubscribe()
    if count != records:
        raise ValueError(f"the direct get has found {count} records instead of {records}")
