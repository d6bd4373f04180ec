"""Reads what a child process writes, line by line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

LONGEST_LINE_BYTES = 64 * 1024
"""A longer line is passed on in pieces: a process gone wild must not fill the memory."""


async def read_lines(pipe: int) -> AsyncIterator[str]:
    """Yield the lines written to a pipe, without line breaks, until its writers are gone. Closes the pipe."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    try:
        rest = b""
        while data := await reader.read(LONGEST_LINE_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) >= LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
        if rest:
            yield rest.decode(errors="replace")
    finally:
        transport.close()
