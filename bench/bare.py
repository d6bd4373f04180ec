"""The limit of serving: a bare grpc.aio server that passes bytes on as they are.

Run as `python -m bench.bare ORDERS` it serves until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import nats
import uvloop

from bench.processes import end
from bench.stage import Server, free_port, start
from fabula.rpc.server import SERVER_OPTIONS

STREAM, IDLE, APPEND = "/bench.Bare/Stream", "/bench.Bare/Idle", "/bench.Bare/Append"
"""Streams the messages again and again; opens a stream and says nothing; stores the request durably and answers."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a bare server is told.

    Attributes:
        port: Where it listens.
        messages: File with what `Stream` sends, each behind its length.
        nats_url: Where `Append` stores; empty: nowhere.
        answer_bytes: How long the answer of `Append` is.
    """

    port: int
    messages: str
    nats_url: str = ""
    answer_bytes: int = 0


@asynccontextmanager
async def bare_server(
    messages: Sequence[bytes] = (), nats_url: str = "", answer_bytes: int = 0
) -> AsyncIterator[Server]:
    """Run a bare server, for as long as the block lasts."""
    with tempfile.NamedTemporaryFile(prefix="fabula-bench-") as file:
        file.write(b"".join(_LENGTH.pack(len(message)) + message for message in messages))
        file.flush()
        orders = Orders(free_port(), file.name, nats_url, answer_bytes)
        process = await start("-m", "bench.bare", json.dumps(asdict(orders)))
        address = f"127.0.0.1:{orders.port}"
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                await asyncio.wait_for(channel.channel_ready(), 30)
            yield Server(process.pid, address)
        finally:
            await end(process)


async def _serve(orders: Orders, messages: Sequence[bytes]) -> None:
    journal = (await nats.connect(orders.nats_url)).jetstream() if orders.nats_url else None
    answer = b"x" * orders.answer_bytes
    never = asyncio.Event()

    async def stream(_request: bytes, context: Any) -> None:
        for message in messages:
            await context.write(message)

    async def idle(_request: bytes, context: Any) -> None:
        await context.send_initial_metadata(())
        await never.wait()

    async def append(request: bytes, _context: Any) -> bytes:
        assert journal is not None  # noqa: S101 - who calls it has told where the journal is
        await journal.publish("bench.bare", request)
        return answer

    table = {
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
        "Idle": grpc.unary_stream_rpc_method_handler(idle),
        "Append": grpc.unary_unary_rpc_method_handler(append),
    }
    server = grpc.aio.server(options=list(SERVER_OPTIONS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bare", table),))
    server.add_insecure_port(f"127.0.0.1:{orders.port}")
    await server.start()
    await server.wait_for_termination()


def _split(data: bytes) -> list[bytes]:
    messages, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        messages.append(data[at : at + length])
        at += length
    return messages


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = Orders(**json.loads(sys.argv[1]))
        runner.run(_serve(told, _split(Path(told.messages).read_bytes())))
