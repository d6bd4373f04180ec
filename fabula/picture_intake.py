"""Takes uploaded pictures in: each is read in a process of its own, which ends with it. See `picture_child`.

A thread would not do: a file of eight megabytes can keep a decoder busy for an hour (a progressive JPEG of some hundred
thousand scans), and a thread cannot be ended. Nor would a decoder that crashes end itself alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from fabula.errors import InvalidRequest, ResourceExhausted, Unavailable
from fabula.pictures import CleanPicture, refuse_large_file

AT_ONCE = 2
"""Pictures that are read at a time: each may take some hundreds of megabytes of memory, and a core."""

MOST_WAITING = 32
"""Pictures that may wait for their turn; each is held in memory meanwhile. Further ones are refused."""

REAL_SECONDS = 70.0
"""When a process is killed that its own alarm has not ended."""

_log = structlog.get_logger(__name__)


class PictureIntake:
    """Reads uploaded pictures, a few at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def clean(self, data: bytes, field: str) -> CleanPicture:
        """Read an uploaded picture, as `fabula.pictures.clean` does. Cancelling ends the reading at once.

        Args:
            data: The file.
            field: Where it stands in the request, for the violation of a refusal.

        Raises:
            InvalidRequest: it is no picture, too large, damaged, or takes too much time or memory to read.
            ResourceExhausted: too many pictures are waiting.
            Unavailable: this machine cannot read it now.
        """
        try:
            refuse_large_file(data)
            async with self._admitted():
                return await _read(data)
        except InvalidRequest as error:
            raise InvalidRequest(error.message, ((field, error.message),)) from error

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise ResourceExhausted("too many pictures are being read: try again in a moment")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()


async def _read(data: bytes) -> CleanPicture:
    """Have a process read the file."""
    process = await _started()
    try:
        async with asyncio.timeout(REAL_SECONDS):
            output, complaints = await process.communicate(data)
    except TimeoutError:
        raise _too_busy() from None
    finally:
        with suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
    if process.returncode:
        raise _refusal(process.returncode, complaints)
    return _picture(output)


async def _started() -> asyncio.subprocess.Process:
    # What the servers are told, their secret above all, is none of a decoder's business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FABULA_")}
    command = (sys.executable, "-m", "fabula.picture_child")
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"no process can be started to read the picture: {error.strerror}") from error


def _picture(answer: bytes) -> CleanPicture:
    """Return the picture in a process's answer, or say why there is none."""
    line, _, data = answer.partition(b"\n")
    head = json.loads(line)
    if "refused" in head:
        raise InvalidRequest(head["refused"])
    return CleanPicture(data, head["width"], head["height"])


def _refusal(code: int, complaints: bytes) -> InvalidRequest | Unavailable:
    """Say what it means that a process has ended without an answer."""
    said = complaints.decode(errors="replace").strip().splitlines()[-1:]
    _log.warning("picture_not_read", exit_code=code, said=said)
    if code == -signal.SIGXCPU:
        return InvalidRequest(
            "the picture takes too long to read: make it smaller, or save it anew as a plain PNG or JPEG"
        )
    if code > 0 or code in {-signal.SIGALRM, -signal.SIGKILL}:  # it did not come to read, or the machine ran short
        return _too_busy()
    return InvalidRequest("the picture cannot be read: save it anew as a plain PNG or JPEG")


def _too_busy() -> Unavailable:
    return Unavailable("this machine cannot read the picture now: try again later")
