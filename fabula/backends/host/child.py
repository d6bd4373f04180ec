"""The child's side of the model host: `python -m fabula.backends.host.child PARENT_PID`.

Loads one model and runs what the parent asks, one run after the other, in the main thread (accelerator libraries
like it best); a second thread listens, so that a cancel is heard while the model works. It touches no journal and
no service, and it ends with its parent.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO, cast

from fabula.backends.host.failures import describe
from fabula.backends.host.frames import FrameDecoder, JsonObject
from fabula.backends.host.hosted import HostedModel, Work, WorkCancelled
from fabula.backends.host.messages import (
    Cancel,
    Ended,
    Failed,
    Item,
    Load,
    Message,
    Ready,
    Run,
    decode,
    encode,
)
from fabula.errors import FabulaError

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_READ_BYTES = 65536
_QUEUE_LIMIT = 16  # the parent sends one run at a time; more than a few means that it does not keep the protocol


class Channel:
    """The pipes to the parent, taken over from stdin and stdout so that no library can write into them."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._decoder = FrameDecoder()
        self._sending = threading.Lock()

    @classmethod
    def from_stdio(cls) -> Channel:
        """Take stdin and stdout; whatever prints from now on prints to stderr."""
        incoming, outgoing = os.dup(0), os.dup(1)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is wanted, not a path
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        return cls(os.fdopen(incoming, "rb", buffering=0), os.fdopen(outgoing, "wb", buffering=0))

    def send(self, message: Message) -> None:
        """Write one message; blocks while the parent does not read."""
        rest = memoryview(encode(message))
        with self._sending:
            while rest:
                rest = rest[self._outgoing.write(rest) :]

    def receive(self) -> Message | None:
        """Return the next message, or None when the parent has hung up."""
        while (frame := self._decoder.next()) is None:
            data = self._incoming.read(_READ_BYTES)
            if not data:
                return None
            self._decoder.feed(data)
        return decode(frame)


class Listener:
    """Hears the parent while the model works: queues runs, notes cancels, and ends the process when it hangs up."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._runs: queue.Queue[Run] = queue.Queue(_QUEUE_LIMIT)
        self._cancelled: set[int] = set()
        self._noting = threading.Lock()

    def start(self) -> None:
        """Begin to listen, in a thread of its own."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()

    def next_run(self) -> Run:
        """Wait for the next piece of work."""
        return self._runs.get()

    def is_cancelled(self, run_id: int) -> bool:
        """Tell whether the parent has cancelled this run."""
        return run_id in self._cancelled

    def forget(self, run_id: int) -> None:
        """Drop what is known of a run that is over, and of those before it."""
        with self._noting:
            self._cancelled = {other for other in self._cancelled if other > run_id}

    def _listen(self) -> None:
        # Whatever ends this thread ends the process: a child that no longer hears its parent must not live on.
        try:
            while (message := self._channel.receive()) is not None:
                if isinstance(message, Run):
                    self._runs.put_nowait(message)
                elif isinstance(message, Cancel):
                    with self._noting:
                        self._cancelled.add(message.run_id)
        finally:
            # Nothing is left to clean up that the system does not, and a stuck model must not hold the exit up.
            os._exit(0)


def main() -> None:
    """Serve the parent until it hangs up."""
    channel = Channel.from_stdio()
    _die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    faulthandler.enable()
    load = channel.receive()
    if not isinstance(load, Load):
        return
    listener = Listener(channel)
    listener.start()
    with contextlib.suppress(BrokenPipeError):  # the parent went away; the listener ends the process as well
        _serve(channel, listener, load)


def _serve(channel: Channel, listener: Listener, load: Load) -> None:
    try:
        model = _factory(load.factory)(load.config)
    except Exception as error:  # noqa: BLE001 - every failure to load is the parent's to report
        _print_trace(error)
        channel.send(describe(error, 0))
        return
    channel.send(Ready(model.details))
    while True:
        run = listener.next_run()
        channel.send(_execute(model, run, channel, listener))
        listener.forget(run.run_id)


def _execute(model: HostedModel, run: Run, channel: Channel, listener: Listener) -> Ended | Failed:
    work = Work(
        run.request,
        run.payload,
        emit=lambda data, payload: channel.send(Item(run.run_id, data, payload)),
        is_cancelled=lambda: listener.is_cancelled(run.run_id),
    )
    try:
        model.run(work)
    except WorkCancelled:
        return Ended(run.run_id, cancelled=True)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the parent decides what a failure means
        _print_trace(error)
        return describe(error, run.run_id)
    return Ended(run.run_id)


def _print_trace(error: Exception) -> None:
    """Leave the trace of a surprise in the parent's debug log; the message that it gets is one sentence."""
    if not isinstance(error, FabulaError):
        traceback.print_exception(error, file=sys.stderr)


def _factory(name: str) -> Callable[[JsonObject], HostedModel]:
    module, _, function = name.partition(":")
    return cast("Callable[[JsonObject], HostedModel]", getattr(importlib.import_module(module), function))


def _die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process with its parent, even where it is stuck; elsewhere the pipe's end tells."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only here

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the call above
        os._exit(0)


if __name__ == "__main__":
    main()
