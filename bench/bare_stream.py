"""The limit of watching: a grpc.aio server that streams the same bytes again and again, and appends nothing."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import uvloop


async def serve(port: int, count: int, size: int) -> None:
    """Serve /bench.Bare/Stream (messages of `size` bytes, `count` of them) and /bench.Bare/Call until ended."""
    message = b"x" * size

    async def stream(_request: bytes, context: Any) -> None:
        for _ in range(count):
            await context.write(message)

    async def call(_request: bytes, _context: Any) -> bytes:
        return message

    table = {
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
        "Call": grpc.unary_unary_rpc_method_handler(call),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bare", table),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(*map(int, sys.argv[1:4])))
