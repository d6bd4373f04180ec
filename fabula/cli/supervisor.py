"""Runs services that depend on each other: starts them in order, keeps them running, stops them in reverse.

It does not know what the services do, nor how their output is shown.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from fabula.cli.keeper import Backoff, Keeper, Observer, Phase, Service, Status

__all__ = ["Backoff", "Observer", "Phase", "Service", "Status", "Supervisor"]


class Supervisor:
    """Runs services that depend on each other, as an asynchronous context manager.

    On entering, the services are started, each when those before are ready (but see `Service.beside` and `awaited`);
    inside they are kept running; on leaving they are stopped in reverse. Entering raises `Unavailable` where a service
    that is awaited does not become ready; those before it are stopped again.

    Args:
        services: In the order of dependency.
        observer: Is told what happens.
        backoff: How patient it is with what dies.
    """

    def __init__(self, services: Sequence[Service], observer: Observer, backoff: Backoff | None = None) -> None:
        self._services = services
        self._observer = observer
        self._backoff = backoff or Backoff()
        self._keepers: list[Keeper] = []
        self._running = self._run()

    @property
    def statuses(self) -> tuple[Status, ...]:
        """All services as they are now, in order."""
        return tuple(keeper.status for keeper in self._keepers)

    async def until_ready(self, name: str, seconds: float) -> None:
        """Wait until a service is ready that entering has not waited for. Raises `Unavailable` if it is not in time."""
        await next(keeper for keeper in self._keepers if keeper.service.name == name).until_ready(seconds)

    def kill(self) -> None:
        """End all services at once."""
        for keeper in self._keepers:
            keeper.kill()

    async def __aenter__(self) -> Self:
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._running.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        lifeline, held = os.pipe()
        self._keepers = [Keeper(service, self._observer, lifeline, self._backoff) for service in self._services]
        keeping: list[asyncio.Task[None]] = []
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    for keeper in self._keepers:
                        if not keeper.service.beside:
                            await _until_ready(self._keepers[: len(keeping)])
                        keeping.append(tasks.create_task(keeper.keep()))
                    await _until_ready(self._keepers)
                    yield
                except Exception as error:  # noqa: BLE001 - raised below as it is, not in a group
                    failure = error
                finally:
                    await self._stop(keeping)
        finally:
            os.close(held)
            os.close(lifeline)
        if failure is not None:
            raise failure

    async def _stop(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        for keeper, task in reversed(list(zip(self._keepers, keeping, strict=False))):
            keeper.stop()
            await asyncio.wait({task})


async def _until_ready(keepers: Sequence[Keeper]) -> None:
    for keeper in keepers:
        if keeper.service.awaited:
            await keeper.until_ready()
