"""Knows whether the connection stands, and logs each outage once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import nats.errors
import structlog

logger = structlog.get_logger(__name__)


class Outages:
    """What nats-py reports about its connection; its callbacks must be coroutine functions.

    Attributes:
        connected: Set while the connection stands.
        last_error: What went wrong last, for a person.
        closing: Set when the connection ends on purpose, which is no outage.
    """

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.last_error = ""
        self.closing = False
        self._began = 0.0
        self._listeners: dict[object, Callable[[], None]] = {}

    def on_end(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each reconnect; return what takes it off again."""
        key = object()
        self._listeners[key] = listener

        def forget() -> None:
            self._listeners.pop(key, None)

        return forget

    async def begin(self) -> None:
        """The connection was lost."""
        if not self.connected.is_set() or self.closing:
            return
        self.connected.clear()
        self._began = time.monotonic()
        logger.warning("journal_disconnected", reason=self.last_error)

    async def end(self) -> None:
        """The connection is back."""
        self.connected.set()
        self.last_error = ""
        logger.info("journal_reconnected", outage_seconds=round(time.monotonic() - self._began, 3))
        for listener in tuple(self._listeners.values()):
            listener()

    async def close(self) -> None:
        """The connection has ended for good."""
        self.connected.clear()
        if not self.closing:
            logger.error("journal_connection_closed", reason=self.last_error)

    async def note(self, error: Exception) -> None:
        """Something went wrong in the background."""
        if isinstance(error, nats.errors.SlowConsumerError):
            logger.warning("journal_subscription_overflowed", subject=error.subject)
            return
        self.last_error = str(error) or type(error).__name__
        logger.debug("journal_connection_error", reason=self.last_error)
