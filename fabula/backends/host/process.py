"""One life of a child process: started, spoken to, ended.

It must not know when a process is wanted or what its answers mean; `host` decides that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from typing import Self

import structlog

from fabula.backends.host.frames import FrameDecoder, FrameError
from fabula.backends.host.messages import Message, decode, encode

_log = structlog.get_logger(__name__)

_READ_BYTES = 65536
_STDERR_LINE_CHARACTERS = 2000
_STDERR_LINES_KEPT = 50
# A child whose pipe has ended exits by itself, with a code worth telling.
_EXIT_WAIT_SECONDS = 2.0
# A killed process is gone at once, unless the kernel holds it in a driver call; then it is left behind, and logged.
_KILL_WAIT_SECONDS = 5.0


class ProcessEnded(Exception):
    """The child is gone, or is of no use any more.

    Args:
        how: How it ended, for a person: "killed (signal 9; possibly out of memory)".
    """

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class ModelProcess:
    """A running child and the pipes to it. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stdin, self._stdout, self._stderr = _pipes(process)
        self._decoder = FrameDecoder()
        self._reading = asyncio.Lock()  # whoever ends the child may come while somebody else still reads
        self._last_lines: deque[str] = deque(maxlen=_STDERR_LINES_KEPT)
        self._stderr_reader = asyncio.create_task(self._forward_stderr(), name=f"stderr of model {process.pid}")

    @classmethod
    async def start(cls) -> Self:
        """Start a child in a session of its own, so that Ctrl-C in the terminal does not reach it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fabula.backends.host.child",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs and the way to it is open."""
        return self._process.returncode is None and not self._stdin.is_closing()

    async def send(self, message: Message) -> None:
        """Send one message; waits while the pipe is full.

        Raises:
            ProcessEnded: the child is gone.
        """
        try:
            self._stdin.write(encode(message))
            await self._stdin.drain()
        except (ConnectionError, RuntimeError) as error:  # RuntimeError: uvloop's word for a closed pipe
            raise ProcessEnded(await self.end(_EXIT_WAIT_SECONDS)) from error

    async def receive(self) -> Message:
        """Wait for the next message. Cancelling this loses nothing.

        Raises:
            ProcessEnded: the child is gone, or sends what nobody understands.
        """
        try:
            while (frame := self._decoder.next()) is None:
                data = await self._read()
                if not data:
                    raise ProcessEnded(await self.end(_EXIT_WAIT_SECONDS))
                self._decoder.feed(data)
            return decode(frame)
        except FrameError as error:
            await self.kill()
            raise ProcessEnded(f"spoke another language ({error})") from error

    def hang_up(self) -> None:
        """Close the way in: a child that hears it ends by itself, without an answer."""
        self._stdin.close()

    async def end(self, grace_seconds: float) -> str:
        """Hang up, kill the child if it is not gone after the grace period, and return how it ended."""
        self.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                return await self._gone()
        return await self.kill()

    async def kill(self) -> str:
        """Kill the child and all that it started, wait until it is gone, and return how it ended."""
        self.kill_now()
        self.hang_up()
        try:
            async with asyncio.timeout(_KILL_WAIT_SECONDS):
                return await self._gone()
        except TimeoutError:
            self._stderr_reader.cancel()
            _log.error("model_process_does_not_die", pid=self.pid)
            return "was killed, but does not go"

    def kill_now(self) -> None:
        """Send the kill signal, and wait for nothing."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)  # it leads its own group

    async def _read(self) -> bytes:
        async with self._reading:
            return await self._stdout.read(_READ_BYTES)

    async def _gone(self) -> str:
        """Wait until the child is gone and return how it ended."""
        while await self._read():
            pass  # asyncio reports the end of a process only after its pipes were read to theirs
        await asyncio.wait([self._stderr_reader])  # unlike a plain await, cancelling this leaves the task alone
        await self._process.wait()
        return self._how_it_ended()

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        if code == -signal.SIGKILL:
            how = "killed (signal 9; possibly out of memory)"
        elif code is not None and code < 0:
            how = f"killed by {signal.Signals(-code).name} (signal {-code})"
        else:
            how = f"exited with code {code}"
        last_words = self._last_words()
        return f"{how}; its last words: {last_words}" if last_words else how

    def _last_words(self) -> str:
        # After a crash in C, faulthandler prints the reason first and pages of frames after it.
        fatal = [line for line in self._last_lines if line.startswith("Fatal Python error")]
        return (fatal or list(self._last_lines) or [""])[-1]

    async def _forward_stderr(self) -> None:
        """Log what the child prints, line by line, and keep the last lines for messages."""
        rest = ""
        while data := await self._stderr.read(_READ_BYTES):
            *lines, rest = (rest + data.decode("utf-8", "replace")).replace("\r", "\n").split("\n")
            for line in lines:
                self._note(line)
            rest = rest[-_STDERR_LINE_CHARACTERS:]
        self._note(rest)

    def _note(self, line: str) -> None:
        line = line.strip()[:_STDERR_LINE_CHARACTERS]
        if line:
            self._last_lines.append(line)
            _log.debug("model_stderr", pid=self.pid, line=line)


def _pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamReader]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("The child was started without pipes.")
    return process.stdin, process.stdout, process.stderr
