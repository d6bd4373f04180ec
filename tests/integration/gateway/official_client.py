"""The official Socket.IO client, in a process of its own, doing what a test says."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "clients"
PATIENCE_SECONDS = 30.0


class Official:
    """Sockets of the official client, by names that the test gives them.

    Args:
        process: Runs `driver.mjs`.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._seen: dict[str, asyncio.Queue[tuple[str, list[Any]]]] = {}

    async def do(self, op: str, id_: str, **command: Any) -> None:
        """Have a socket do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, "id": id_, **command}).encode() + b"\n")
        await self._process.stdin.drain()

    async def connect(self, id_: str, url: str, namespace: str, **options: Any) -> None:
        """Have a new socket connect."""
        await self.do("connect", id_, url=url, namespace=namespace, options=options)

    async def ask(self, id_: str, event: str, *args: Any) -> Any:
        """Have a socket emit an event; return its acknowledgement, passing over what else it sees before."""
        await self.do("ask", id_, event=event, args=list(args))
        return (await self.until(id_, "answer"))[-1][1][0]

    async def next(self, id_: str) -> tuple[str, list[Any]]:
        """Return what a socket sees next: an event's name and arguments."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._queue(id_).get()

    async def until(
        self, id_: str, name: str, holds: Callable[[list[Any]], bool] = lambda _: True
    ) -> list[tuple[str, list[Any]]]:
        """Return what a socket sees up to an event of this name of which this holds."""
        seen = [await self.next(id_)]
        while seen[-1][0] != name or not holds(seen[-1][1]):
            seen.append(await self.next(id_))
        return seen

    def _queue(self, id_: str) -> asyncio.Queue[tuple[str, list[Any]]]:
        return self._seen.setdefault(id_, asyncio.Queue())

    async def read(self) -> None:
        """Take in what is seen, until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            seen = json.loads(line)
            self._queue(seen["id"]).put_nowait((seen["event"], seen["args"]))


@asynccontextmanager
async def official_client() -> AsyncIterator[Official]:
    """Run it for as long as the block lasts."""
    assert (FOLDER / "node_modules").is_dir(), "the official client is not installed: run `make clients`"
    process = await asyncio.create_subprocess_exec(
        "node", "driver.mjs", cwd=FOLDER, stdin=PIPE, stdout=PIPE, limit=16 * 1024 * 1024
    )
    official = Official(process)
    reading = asyncio.create_task(official.read())
    try:
        yield official
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()
            await reading
