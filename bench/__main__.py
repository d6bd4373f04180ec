"""Runs the benchmarks, shows their table and writes `docs/benchmarks.md`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

from bench import watching, writing
from bench.stage import Stage, set_stage
from bench.table import PAGE, Row, markdown

BENCHMARKS: tuple[Callable[[Stage], Awaitable[list[Row]]], ...] = (
    watching.replay,
    watching.latency,
    writing.emit,
    writing.starts,
)


async def run() -> None:
    """Run all benchmarks, one after the other."""
    rows: list[Row] = []
    async with set_stage() as stage:
        for benchmark in BENCHMARKS:
            sys.stderr.write(f"{benchmark.__module__}.{benchmark.__name__} …\n")
            rows += await benchmark(stage)
    page = markdown(rows)
    PAGE.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
