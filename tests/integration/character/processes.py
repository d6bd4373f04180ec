"""The character service as processes of its own, started as an operator starts them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import CHARACTER
from tests.integration.character.house import Customer
from tests.integration.story.house import free_port

LOCAL = "local"
"""The owner of everything where authentication is off."""

START_SECONDS = 60.0


@dataclass(slots=True)
class Process:
    """A server, a worker, or both.

    Attributes:
        process: The process.
        port: Where it answers.
        channel: To there.
        log: What it has written.
    """

    process: asyncio.subprocess.Process
    port: int
    channel: grpc.aio.Channel
    log: Path

    @property
    def customer(self) -> Customer:
        """The local user, where this is a server."""
        return Customer(Client(CHARACTER, self.channel), Caller(), LOCAL)

    async def serves(self) -> None:
        """Wait until it says that it serves."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._serves():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

    async def _serves(self) -> bool:
        try:
            request = health_pb2.HealthCheckRequest()
            answer = await health_pb2_grpc.HealthStub(self.channel).Check(request, timeout=1)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


@asynccontextmanager
async def process(role: str, nats_url: str, folder: Path, **variables: str) -> AsyncIterator[Process]:
    """Run `python -m services.character ROLE` until the block is left; without a role both."""
    port = free_port()
    name = "FABULA_WORKER_PORT" if role == "worker" else "FABULA_CHARACTER_PORT"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FABULA_")}
    environment |= {"FABULA_NATS_URL": nats_url, "FABULA_DRAIN_SECONDS": "2", name: str(port)}
    log = folder / f"{role or 'both'}-{port}.log"
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.character", *([role] if role else [])),
            env=environment | variables,
            stdout=output,
            stderr=output,
        )
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            running = Process(started, port, channel, log)
            await running.serves()
            yield running
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
