"""The contract of a model that lives in a host's child process.

It must not know pipes: a model gets a `Work` and emits through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fabula.backends.host.frames import JsonObject


class WorkCancelled(Exception):
    """The run was cancelled. A model lets it pass; the child reports the cancellation."""


class Work:
    """One run, as the model sees it: what is asked, and where the output goes.

    Args:
        request: What the parent's adapter asked for.
        payload: Binary input, empty where there is none.
        emit: Sends one item; blocks while the parent does not read.
        is_cancelled: Whether the parent has cancelled this run.
    """

    def __init__(
        self,
        request: JsonObject,
        payload: bytes,
        emit: Callable[[JsonObject, bytes], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self.request = request
        self.payload = payload
        self._emit = emit
        self._is_cancelled = is_cancelled

    def emit(self, data: JsonObject, payload: bytes = b"") -> None:
        """Send one item to the parent.

        Raises:
            WorkCancelled: nobody wants it any more.
        """
        self.check()
        self._emit(data, payload)

    def check(self) -> None:
        """Raise if the run was cancelled. Call it at every step that emits nothing.

        Raises:
            WorkCancelled: the run was cancelled.
        """
        if self._is_cancelled():
            raise WorkCancelled


class HostedModel(Protocol):
    """A model, loaded. Its factory (`"module:function"`) takes the spec's `config` and returns one."""

    @property
    def details(self) -> JsonObject:
        """What is worth knowing about the loaded model: device, dtype, and the like."""
        ...

    def run(self, work: Work) -> None:
        """Do one piece of work: emit items, and return when it is done.

        Raises:
            WorkCancelled: `work.check` or `work.emit` raised it.
            InvalidRequest: the request cannot be served; the model stays loaded.
            ModelOutputInvalid: the output is of no use; the model stays loaded.
        """
        ...
