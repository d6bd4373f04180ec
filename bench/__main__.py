"""Runs the benchmarks: all of them for `docs/benchmarks.md`, or those that are named, only to be seen."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
import uvloop

from bench import (
    cancelling,
    characters,
    dialects,
    doors,
    fan_out,
    forecasting,
    gateway_memory,
    generating,
    growth,
    latency,
    memory,
    painting,
    queueing,
    reading,
    slow_clients,
    watching,
    writing,
)
from bench.stage import Stage, set_stage
from bench.table import PAGE, Row, lines, page

BENCHMARKS: Mapping[str, Callable[[Stage], Awaitable[list[Row]]]] = {
    "watch": watching.watch,
    "replay": reading.replay,
    "latency": latency.emit_to_watcher,
    "emit": writing.emit,
    "starts": writing.starts,
    "claims": queueing.claims,
    "memory": memory.idle_watchers,
    "fan-out": fan_out.broadcast,
    "doors": doors.fan_out,
    "doors-clients": doors.clients,
    "dialects": dialects.translated,
    "socket-latency": fan_out.emit_to_socket,
    "socket-memory": gateway_memory.idle_watchers,
    "slow-clients": slow_clients.slow_clients,
    "generate": generating.watched,
    "cancel": cancelling.cancel,
    "paint": painting.painted,
    "paint-previews": painting.previewed,
    "paint-together": painting.together,
    "paint-begin": painting.begun,
    "character": characters.made,
    "character-avatar": characters.avatar,
    "character-relay": characters.relay,
    "character-list": characters.listed,
    "forecast": forecasting.time_left,
    "growth-watchers": growth.watchers,
    "growth-sockets": fan_out.growth,
    "growth-events": growth.events,
    "growth-generations": growth.generations,
}


async def run(names: Sequence[str]) -> list[Row]:
    """Run benchmarks one after the other, each on a stage of its own."""
    rows: list[Row] = []
    for name in names:
        begun = time.monotonic()
        async with set_stage() as stage:
            found = await BENCHMARKS[name](stage)
        sys.stderr.write(f"{name}: {time.monotonic() - begun:.0f} s\n")
        rows += found
        print(lines(found), flush=True)
    return rows


def main(names: Sequence[str]) -> None:
    """Do what the command line says."""
    if names == ["--list"]:
        print("\n".join(BENCHMARKS))
        return
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.stderr.write(f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}.\n")
        raise SystemExit(2)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(run(names or list(BENCHMARKS)))
    if not names:
        PAGE.write_text(page(rows), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
