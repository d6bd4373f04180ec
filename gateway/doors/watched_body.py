"""A watch as the body of one HTTP answer. Where the server has pipes, the fan carries it once it is level."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.entries import SharedEntry
from gateway.fan import Form, joined
from gateway.frames import chunk_bytes
from gateway.pipe import Pipe
from gateway.watch import Watch

Forms = Mapping[bool, Form]
"""How entries are sent: over a pipe as finished chunks (True), or by the server (False)."""


def forms_of(name: str, encode: Callable[[SharedEntry], bytes], door: str, *, conflate: bool) -> Forms:
    """Return how entries are sent that `encode` makes the bytes of; see `gateway.fan.Form`."""
    return {
        False: Form(name, encode, door, conflate),
        True: Form(f"{name} in a chunk", lambda entry: chunk_bytes(encode(entry)), door, conflate),
    }


class WatchedBody:
    """What of an answer's body tells of a generation. Implements `gateway.watch.Recipient`.

    Args:
        watch: The watch; it is closed in the end.
        forms: How entries are sent.
        pipe: The pipe to the client, if the server has one; the answer's head has to be sent before `run`.
        write: Sends a part of the body, where there is no pipe.
        sent: Told of entries that were sent, but not of those that the fan has.
    """

    def __init__(
        self,
        watch: Watch,
        forms: Forms,
        pipe: Pipe | None,
        write: Callable[[bytes], Awaitable[None]],
        sent: Callable[[Sequence[SharedEntry]], None],
    ) -> None:
        self._watch = watch
        self._write = write
        self._sent = sent
        self._resumed = asyncio.Event()
        self._wrote_at = 0.0
        self.pipe = pipe
        self.form = forms[pipe is not None]

    @property
    def wrote_at(self) -> float:
        """When something was last sent, on the monotonic clock; 0 if nothing was."""
        return max(self._wrote_at, self._watch.wrote_at)

    async def run(self) -> None:
        """Send the log to its end. Whenever this returns, or is given up, nothing goes to the pipe any more.

        Raises:
            ClientGone: the client is gone.
            Exception: what ended the log before.
        """
        if self.pipe is not None:
            self.pipe.on_stop = self._watch.let_go
        try:
            while not await self._watch.run(self):
                await self._resumed.wait()
                self._resumed.clear()
        finally:
            if self.pipe is not None:
                self.pipe.on_stop = None
            self._watch.close()
            del self._write, self._sent  # they hold who holds this: nobody has to search for such rings

    def resume(self) -> None:
        """Go on alone: the fan carries this no more."""
        self._resumed.set()

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries, once there is room for them."""
        for data in joined(self.form, entries):
            if self.pipe is None:
                await self._write(data)
            else:
                await self.pipe.room()
                self.pipe.write(data)
            self._wrote_at = time.monotonic()
        self._sent(entries)
