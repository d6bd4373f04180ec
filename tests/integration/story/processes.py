"""The story service as processes of its own, started as an operator starts them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import STORY
from tests.integration.story.house import User, free_port

BUF = Path(sysconfig.get_path("scripts")) / "buf"
START_SECONDS = 30.0


@dataclass(slots=True)
class Service:
    """One process of the service.

    Attributes:
        process: The process.
        port: Where it answers.
        channel: To there.
        started_seconds: How long it took from its start to its first answer that it can serve.
    """

    process: asyncio.subprocess.Process
    port: int
    channel: grpc.aio.Channel
    started_seconds: float
    log: Path

    @property
    def user(self) -> User:
        """The local user: authentication is off."""
        return User(Client(STORY, self.channel), Caller())

    @property
    def health(self) -> Any:
        """The health service."""
        return health_pb2_grpc.HealthStub(self.channel)

    async def serves(self, service: str = "", seconds: float = START_SECONDS) -> None:
        """Wait until the process says that it serves."""
        async with asyncio.timeout(seconds):
            while not await self._serves(service):
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.01)

    async def _serves(self, service: str) -> bool:
        try:
            answer = await self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=1)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how long the end took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20), time.monotonic() - begin


@asynccontextmanager
async def service(role: str, nats_url: str, folder: Path, *options: str, **variables: str) -> AsyncIterator[Service]:
    """Run `python -m services.story ROLE` until the block is left."""
    port = free_port()
    names = {"server": "FABULA_STORY_PORT", "worker": "FABULA_WORKER_PORT"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FABULA_")}
    environment |= {"FABULA_NATS_URL": nats_url, "FABULA_DRAIN_SECONDS": "2", names[role]: str(port), **variables}
    log = folder / f"{role}-{port}.log"
    begin = time.monotonic()
    with log.open("wb") as output:
        command = (sys.executable, *options, "-m", "services.story", role)
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            running = Service(process, port, channel, 0.0, log)
            await running.serves()
            running.started_seconds = time.monotonic() - begin
            yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def buf_curl(port: int, path: str, data: str = "{}", *options: str) -> tuple[int, str, str]:
    """Call an rpc with `buf curl`, by reflection; return exit code, output and errors."""
    command = (str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *options, "-d", data)
    process = await asyncio.create_subprocess_exec(
        *command, f"http://127.0.0.1:{port}/{path}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()
