"""Sees that a nats-server has stopped storing, and when there is room for it again.

After a failed write, as on a full disk, nats-server (2.15) shuts the stream for writing and keeps it shut: it answers
questions, leaves every append without an answer, and goes on so when there is room again, until it is started anew.
It does say so on its monitoring page `/healthz`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOM_BYTES = 16 << 20
"""So much must fit on the disk before it counts as having room: a server that fails again at once helps nobody."""

LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_LOOKS = 2
"""So often in a row a server must complain: one complaint may be of a moment."""


async def until_complaint(host: str, port: Callable[[], int | None]) -> str:
    """Wait until a server says that it is not well; return its reason.

    A server that does not answer says nothing: whether it lives is seen elsewhere.

    Args:
        host: Where it is.
        port: Returns its monitoring port; None while it must not be asked, as it has just begun to start.
    """
    complaints = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        asked = port()
        complaint = "" if asked is None else await _complaint(host, asked)
        complaints = complaints + 1 if complaint else 0
        if complaints == _LOOKS:
            return complaint


async def until_room(folder: Path) -> None:
    """Wait until `ROOM_BYTES` can be written to the folder's disk."""
    while not await asyncio.to_thread(has_room, folder):  # noqa: ASYNC110 - a disk has no event for it
        await asyncio.sleep(LOOK_SECONDS)


def has_room(folder: Path) -> bool:
    """Tell whether `ROOM_BYTES` can be written here. Really writes them: quotas and broken disks count as well."""
    trial = folder / "room"
    try:
        with trial.open("wb") as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    else:
        return True
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)


async def _complaint(host: str, port: int) -> str:
    """Return why the server says that it is not well; empty if it is, or does not say."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                answer = await reader.read()
            finally:
                writer.close()
                await writer.wait_closed()
        health = json.loads(answer.partition(b"\r\n\r\n")[2])
        return "" if health["status"] == "ok" else str(health.get("error") or health["status"])
    except (OSError, ValueError, KeyError, TypeError):  # TimeoutError is an OSError
        return ""
