"""Keeps the newest denoising state beside the work, so that whoever goes on with it repeats little.

A checkpoint is a line of JSON that says where it stands, then the model's state.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from fabula.backends.image import Batch, Step
from fabula.engine.ports import Blobs
from fabula.errors import FabulaError, LogCorrupted, NotFound

LAST_CHANCE_SECONDS = 2.0
"""How long an interrupted stage may take to keep its newest state."""

STATE_TYPE = "application/octet-stream"

_log = structlog.get_logger(__name__)


def to_bytes(step: Step) -> bytes:
    """Return a step as a checkpoint keeps it."""
    place = {"done": step.done, "steps": step.steps, "size": step.batch.size, "slot": step.batch.slot}
    return json.dumps(place).encode() + b"\n" + step.state


def from_bytes(data: bytes) -> Step:
    """Return the step in a checkpoint. Raises `LogCorrupted` where there is none."""
    line, _, state = data.partition(b"\n")
    try:
        place = json.loads(line)
        return Step(int(place["done"]), int(place["steps"]), Batch(int(place["size"]), int(place["slot"])), state)
    except (ValueError, KeyError, TypeError) as error:
        raise LogCorrupted("the checkpoint cannot be read") from error


async def read(blobs: Blobs, name: str) -> Step | None:
    """Return what was kept; None where nothing was, or nothing of it can be read."""
    try:
        return from_bytes(await blobs.get(name))
    except NotFound:
        return None
    except LogCorrupted as error:
        _log.warning("checkpoint_unreadable", blob=name, reason=error.message)
        return None


@dataclass(slots=True)
class Keeper:
    """Puts the newest state into the blobs, every so many steps.

    Attributes:
        blobs: Where it is kept.
        name: Under which name; each put replaces the one before.
        every: Steps from one put to the next.
        kept: Steps that were done in the state that is kept.
    """

    blobs: Blobs
    name: str
    every: int
    kept: int = 0
    _newest: Step | None = None
    _putting: asyncio.Task[None] | None = None

    def take(self, step: Step) -> None:
        """Take the newest state. Never waits: one that comes while another is put is put after it, if it is newest."""
        if step.state:
            self._newest = step
            if self._putting is None and self._is_due():
                self._putting = asyncio.create_task(self._put_while_due())

    async def stop(self) -> None:
        """Put no more; what was being put is left half done, and is not seen by anybody."""
        task, self._putting = self._putting, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def save(self) -> None:
        """Keep the newest state, if that can be done soon."""
        if self._newest is not None and self._newest.done > self.kept:
            try:
                async with asyncio.timeout(LAST_CHANCE_SECONDS):
                    await self._put(self._newest)
            except TimeoutError:
                _log.warning("checkpoint_not_kept", blob=self.name, reason="it took too long")

    def _is_due(self) -> bool:
        return self._newest is not None and self._newest.done - self.kept >= self.every

    async def _put_while_due(self) -> None:
        while self._newest is not None and self._is_due():
            if not await self._put(self._newest):
                break
        self._putting = None

    async def _put(self, step: Step) -> bool:
        """Put a state. One that is not taken costs steps after a crash, never the work itself."""
        try:
            await self.blobs.put(self.name, to_bytes(step), STATE_TYPE)
        except FabulaError as error:
            _log.warning("checkpoint_not_kept", blob=self.name, reason=error.message)
            return False
        self.kept = step.done
        return True


@asynccontextmanager
async def keeping(keeper: Keeper, worth_it: Callable[[BaseException], bool]) -> AsyncIterator[Keeper]:
    """Keep states while the block lasts.

    If it ends with an error, or is interrupted, the newest state is kept before that goes on, for two seconds at most.

    Args:
        keeper: Keeps them.
        worth_it: Whether that is done for this error.
    """
    try:
        yield keeper
    except BaseException as error:
        await keeper.stop()
        if worth_it(error):
            await asyncio.shield(keeper.save())  # a second interruption must not undo the first one's care
        raise
    finally:
        await keeper.stop()
