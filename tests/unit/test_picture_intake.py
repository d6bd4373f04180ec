"""What is said when the process that reads a picture ends without an answer, and that it has bounds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fabula.errors import FabulaError, InvalidRequest, Unavailable
from fabula.picture_intake import PictureIntake, _refusal, _started
from fabula.pictures import MAX_FILE_BYTES
from tests.integration.uploads.files import files


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (-signal.SIGXCPU, InvalidRequest, "too long to read: make it smaller"),
        (-signal.SIGSEGV, InvalidRequest, "save it anew"),
        (-signal.SIGABRT, InvalidRequest, "save it anew"),
        (-signal.SIGKILL, Unavailable, "try again later"),
        (-signal.SIGALRM, Unavailable, "try again later"),
        (1, Unavailable, "try again later"),
    ],
)
def test_each_end_of_the_process_is_told(code: int, error: type[FabulaError], said: str) -> None:
    """What the file has done is the sender's to mend; what the machine has done, nobody's."""
    refusal = _refusal(code, b"some\nwords")

    assert error is type(refusal)
    assert said in refusal.message


def test_memory_of_the_process_is_bounded() -> None:
    """It is refused more than its share, and nobody else is hurt."""
    program = "from fabula.picture_child import MEMORY_BYTES, bound; bound(); bytearray(MEMORY_BYTES)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "MemoryError" in done.stderr


async def test_process_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it reads comes from anybody: it gets the file, and none of the server's settings."""
    monkeypatch.setenv("FABULA_JWT_SECRET", "x" * 40)
    process = await _started()
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()  # noqa: ASYNC240 - no disk is behind it
    answer, _ = await process.communicate(files()["png RGB"])

    assert b"FABULA_" not in environment
    assert answer.startswith(b'{"width": 60, "height": 40}\n')


async def test_reading_ends_when_nobody_waits_for_it_any_more() -> None:
    """Who goes away takes the process along, whatever it was about."""
    before = _children()  # what other tests keep running
    reading = asyncio.create_task(PictureIntake().clean(bytes(MAX_FILE_BYTES), "data"))
    while not (children := _children() - before):  # noqa: ASYNC110 - the kernel sets no events
        await asyncio.sleep(0.001)
    reading.cancel()
    await asyncio.wait([reading])
    async with asyncio.timeout(10):
        while _children() & children:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)

    assert reading.cancelled()


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
