"""`grpcwebproxy` before a service, where it is installed: run by the command that docker-compose.yml gives it."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from fabula.rpc.kinds import STORY, Kind
from tests.e2e.composition import PROXY, read
from tests.integration.gateway.grpc_web_client import GrpcWeb, framed
from tests.system import free_port


@asynccontextmanager
async def running_proxy(address: str, kind: Kind = STORY, origins: Sequence[str] = ()) -> AsyncIterator[str]:
    """Run a kind's proxy before the service at this address; yield its URL once it says that the service is healthy.

    Args:
        address: Of the service.
        kind: Whose command it is.
        origins: Whose pages may call.
    """
    if shutil.which(PROXY) is None:
        pytest.skip(f"there is no {PROXY} on PATH")
    port = free_port()
    command = read({"FABULA_ALLOWED_ORIGINS": ",".join(origins)})[f"{kind.name}-grpcweb"]["command"]
    here = {"--backend_addr": address, "--server_bind_address": "127.0.0.1", "--server_http_debug_port": str(port)}
    flags = [f"{name}={value}" for name, value in here.items()]
    flags += [flag for flag in command[1:] if flag.partition("=")[0] not in here]
    process = await asyncio.create_subprocess_exec(command[0], *flags, stdout=DEVNULL, stderr=DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        await until_serving(url)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def until_serving(url: str) -> None:
    """Wait until the service behind a proxy says that it is healthy."""
    async with httpx.AsyncClient(base_url=url) as http, asyncio.timeout(20):
        while True:
            with suppress(httpx.TransportError):
                answer = await GrpcWeb(http).call("/grpc.health.v1.Health/Check", framed(b""))
                if answer.messages == [b"\x08\x01"]:
                    return
            await asyncio.sleep(0.05)
