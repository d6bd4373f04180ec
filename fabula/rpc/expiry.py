"""Watches over identities that do not hold for ever, while something is open on their behalf."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fabula.rpc.auth import seconds_left

LONGEST_LOOK_SECONDS = 60.0
"""The clock is looked at so often at least: while a machine sleeps, the event loop's own time may stand still."""


class Expiry:
    """Calls back once, when an identity holds no longer. To be used on one event loop.

    Args:
        expired: Called then.
    """

    __slots__ = ("_expired", "_expires", "_timer")

    def __init__(self, expired: Callable[[], None]) -> None:
        self._expired = expired
        self._expires: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, expires: float | None) -> None:
        """Wait for this Unix time from now on; None: for nothing."""
        self.cancel()
        self._expires = expires
        if expires is not None:
            self._timer = asyncio.get_running_loop().call_later(self._pause(expires), self._look)

    def cancel(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._expires is not None and seconds_left(self._expires) > 0:
            self.set(self._expires)
        else:
            self._expired()

    @staticmethod
    def _pause(expires: float) -> float:
        return max(0.0, min(LONGEST_LOOK_SECONDS, seconds_left(expires)))


@contextmanager
def on_expiry(expires: float | None, expired: Callable[[], None]) -> Iterator[None]:
    """Call back when an identity holds no longer, unless the block is left before."""
    expiry = Expiry(expired)
    expiry.set(expires)
    try:
        yield
    finally:
        expiry.cancel()
