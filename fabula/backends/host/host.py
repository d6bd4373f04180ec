"""The parent's side of the model host: one model in a child process that may be killed at any moment.

It must not import a model library, nor know what requests and items mean.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Self

import structlog

from fabula.backends.host.failures import to_error
from fabula.backends.host.frames import JsonObject
from fabula.backends.host.messages import Cancel, Ended, Failed, Item, Load, Message, Ready, Run
from fabula.backends.host.process import ModelProcess, ProcessEnded
from fabula.errors import FabulaError, ModelCrashed, ModelUnavailable

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HostSpec:
    """Which model a host holds.

    Attributes:
        model: Its name, for states, logs and messages.
        factory: "module:function", imported and called in the child; returns a `HostedModel`.
        config: What the factory is called with. JSON.
    """

    model: str
    factory: str
    config: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How a host treats its child.

    Attributes:
        cancel_bound_seconds: A child that has not obeyed a cancel after this time is killed.
        idle_unload_seconds: The model is unloaded after so long without work; None keeps it.
        close_grace_seconds: How long closing waits before it kills.
    """

    cancel_bound_seconds: float = 2.0
    idle_unload_seconds: float | None = None
    close_grace_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class HostState:
    """What a host is doing, for health checks and people.

    Attributes:
        model: The model's name.
        phase: absent (no process; the next call loads), loading, ready or busy.
        pid: The child's process id, where there is one.
        restarts: How often the child was started again.
        details: What the loaded model said of itself (device, dtype, …).
    """

    model: str
    phase: Literal["absent", "loading", "ready", "busy"]
    pid: int | None
    restarts: int
    details: JsonObject


class Host:
    """Holds one model in a child process: loads it at the first call, keeps it warm, starts it again after a crash.

    Calls wait for each other and are served in the order they came. Whatever happens to one call, the next is unharmed.
    """

    def __init__(self, spec: HostSpec, settings: HostSettings | None = None) -> None:
        self._spec = spec
        self._settings = settings or HostSettings()
        self._turn = asyncio.Lock()  # serves in the order of asking
        self._process: ModelProcess | None = None
        self._phase: Literal["loading", "ready", "busy"] = "loading"
        self._details: JsonObject = {}
        self._starts = 0
        self._runs = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def state(self) -> HostState:
        """What the host is doing now."""
        process = self._process if self._process is not None and self._process.is_alive else None
        return HostState(
            model=self._spec.model,
            phase=self._phase if process else "absent",
            pid=process.pid if process else None,
            restarts=max(0, self._starts - 1),
            details=self._details if process else {},
        )

    async def warm(self) -> None:
        """Load the model now, so that the first run need not wait for it.

        Raises:
            ModelUnavailable: it cannot be loaded.
            ModelOutOfMemory: it does not fit.
            ModelCrashed: the child died while it loaded.
        """
        async with self._turn:
            await self._loaded()
            self._phase = "ready"
            self._watch_idleness()

    async def run(self, request: JsonObject, payload: bytes = b"") -> AsyncGenerator[Item, None]:
        """Do one piece of work and yield its items as they come.

        A reader that stops reading stops the child, once the pipe is full. Closing the generator, or cancelling the
        task that reads it, stops the child at its next step; a child that does not obey within the bound is killed.

        Raises:
            ModelUnavailable: the model cannot be loaded, or the host is closed.
            ModelOutOfMemory: out of memory; the child is ended and the next call starts afresh.
            ModelCrashed: the child died, or failed in a way that leaves it in doubt; the next call starts afresh.
            InvalidRequest: the request cannot be served; the model stays loaded.
            ModelOutputInvalid: the output is of no use; the model stays loaded.
        """
        async with self._turn:
            process = await self._loaded()
            self._phase = "busy"
            self._runs += 1
            try:
                async with aclosing(self._items(process, Run(self._runs, request, payload))) as items:
                    async for item in items:
                        yield item
            finally:
                self._phase = "ready"
                self._watch_idleness()

    async def close(self) -> None:
        """End the child, whatever it is doing. Idempotent."""
        self._closed = True
        self._forget_idleness()
        if self._process is not None:
            await self._process.end(self._settings.close_grace_seconds)

    async def _loaded(self) -> ModelProcess:
        """Return the child with its model loaded; start it where there is none."""
        self._forget_idleness()
        self._refuse_when_closed()
        if self._process is not None:
            if self._process.is_alive:
                return self._process
            # What the old one holds must be free before the new one needs it.
            await self._process.end(self._settings.close_grace_seconds)
        self._phase, self._starts = "loading", self._starts + 1
        self._process = process = await ModelProcess.start()
        if self._closed:  # in the meantime
            await process.kill()
        self._refuse_when_closed()
        began = time.monotonic()
        _log.info("model_loading", model=self._spec.model, pid=process.pid, start=self._starts)
        self._details = await self._load(process)
        _log.info("model_ready", model=self._spec.model, pid=process.pid, seconds=round(time.monotonic() - began, 3))
        return process

    async def _load(self, process: ModelProcess) -> JsonObject:
        settled = False
        try:
            message = await self._ask(process, Load(self._spec.factory, self._spec.config))
            settled = True
        except ProcessEnded as ended:
            settled = True
            raise self._ended(ended, "while it was loaded") from ended
        finally:
            if not settled:
                await self._settle(process)
        if isinstance(message, Ready):
            return message.details
        raise await self._failure(process, message)

    async def _items(self, process: ModelProcess, run: Run) -> AsyncGenerator[Item, None]:
        settled = False
        try:
            message = await self._ask(process, run)
            while isinstance(message, Item):
                yield message
                message = await process.receive()
            settled = True
        except ProcessEnded as ended:
            settled = True
            raise self._ended(ended, "in the middle of its work") from ended
        finally:
            if not settled:
                await self._settle(process, Cancel(run.run_id))
        if not isinstance(message, Ended):
            raise await self._failure(process, message)

    async def _ask(self, process: ModelProcess, message: Message) -> Message:
        await process.send(message)
        return await process.receive()

    async def _settle(self, process: ModelProcess, cancel: Cancel | None = None) -> None:
        """See to it that nothing runs any more: the child says so within the bound, or it is killed."""
        stopped = False
        try:
            async with asyncio.timeout(self._settings.cancel_bound_seconds):
                if cancel is not None:
                    await process.send(cancel)
                stopped = await _has_stopped(process)
        except TimeoutError:
            _log.warning("model_killed", model=self._spec.model, pid=process.pid, reason="did not obey a cancel")
        except ProcessEnded as ended:
            _log.warning("model_process_ended", model=self._spec.model, how=ended.how)
        finally:
            if not stopped:  # also when whoever waits here is cancelled once more
                process.kill_now()
                process.hang_up()

    async def _failure(self, process: ModelProcess, message: Message) -> FabulaError:
        if not isinstance(message, Failed):
            await process.kill()
            return ModelCrashed(f"The process of the model {self._spec.model} answered out of turn; it was ended.")
        if not message.usable:
            await process.kill()
        _log.warning("model_failed", model=self._spec.model, code=message.code, message=message.message)
        return to_error(message, self._spec.model)

    def _ended(self, ended: ProcessEnded, when: str) -> FabulaError:
        if self._closed:
            return ModelUnavailable(f"The model {self._spec.model} was closed {when}.")
        _log.warning("model_process_ended", model=self._spec.model, how=ended.how)
        return ModelCrashed(f"The process of the model {self._spec.model} ended {when}: {ended.how}.")

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise ModelUnavailable(f"The model {self._spec.model} is closed.")

    def _watch_idleness(self) -> None:
        if self._settings.idle_unload_seconds is not None and not self._closed:
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(self._settings.idle_unload_seconds, self._unload)

    def _forget_idleness(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def _unload(self) -> None:
        if self._process is not None and not self._turn.locked():
            _log.info("model_unloaded", model=self._spec.model, reason="idle")
            self._process.hang_up()


async def _has_stopped(process: ModelProcess) -> bool:
    """Read on until the child says that it is done; tell whether it can be used again."""
    while True:
        message = await process.receive()
        if isinstance(message, Failed):
            return message.usable
        if isinstance(message, (Ready, Ended)):
            return True
