"""A queue made of stored messages: a durable pull consumer, whose every message is handed to one process at a time.

A message that is neither renewed, done nor given back within the lease is handed out again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

import nats.errors
import structlog
from nats.aio.msg import Msg

from fabula.errors import Unavailable
from fabula.journal.connection import ApiFault, Link, unavailable

logger = structlog.get_logger(__name__)

_NANOSECONDS = 1_000_000_000
_NOBODY_WAITS = frozenset({"404", "408"})
_PAUSE_SECONDS = 0.1
_CONFIRM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that was handed out, and not acknowledged yet.

    Attributes:
        subject: Where it is stored.
        revision: Its position in the stream.
        headers: Those of its writer.
        data: The payload.
    """

    subject: str
    revision: int
    headers: Mapping[str, str]
    data: bytes
    link: Link
    reply: str

    async def renew(self) -> None:
        """Keep it for another lease time."""
        await self.link.publish(self.reply, b"+WPI")

    async def done(self) -> None:
        """Take it off the queue."""
        await self._confirm(b"+ACK")

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Have it handed out again, after the delay."""
        delay = json.dumps({"delay": int(delay_seconds * _NANOSECONDS)})
        await self._confirm(f"-NAK {delay}".encode() if delay_seconds > 0 else b"-NAK")

    async def _confirm(self, word: bytes) -> None:
        """Say the word and wait until the server has taken it, or does not know what it is about."""

        async def ask() -> bool:
            try:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await self.link.request_once(self.reply, word)
            except TimeoutError:
                return False
            return True

        if not await self.link.until_answered(ask):
            logger.info("message_unknown_to_queue", subject=self.subject, revision=self.revision)


class PullQueue:
    """The messages on one filter of a stream, as a queue.

    Args:
        link: The connection.
        stream: The stream's name.
        topic: The filter.
        name: The durable consumer's name: the same in all processes that share the queue.
        description: What it is, for operators.
    """

    def __init__(self, link: Link, stream: str, topic: str, name: str, description: str) -> None:
        self._link = link
        self._stream = stream
        self._topic = topic
        self._name = name
        self._description = description
        self._declared = False

    async def claim(self, timeout_seconds: float) -> Handed | None:
        """Wait for a message; None if there is none within the timeout. Raises `Unavailable`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            await self.declare()
            reply = await self._pull(max(deadline - loop.time(), 0.01))
            status = (reply.headers or {}).get("Status")
            if status is None:
                return self._handed(reply)
            if status in _NOBODY_WAITS or loop.time() >= deadline:
                return None
            self._declared = False  # the consumer is gone, or its leader is
            await asyncio.sleep(_PAUSE_SECONDS)

    async def declare(self) -> None:
        """Make sure that the consumer exists. Idempotent, in many processes at once."""
        if self._declared:
            return
        config = {
            "durable_name": self._name,
            "name": self._name,
            "description": self._description,
            "filter_subject": self._topic,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(self._link.settings.lease_seconds * _NANOSECONDS),
            "max_deliver": -1,
            "max_ack_pending": -1,
        }
        question = {"stream_name": self._stream, "config": config}
        try:
            await self._link.ask(f"CONSUMER.CREATE.{self._stream}.{self._name}.{self._topic}", question)
        except ApiFault as fault:
            raise unavailable(fault) from fault
        self._declared = True

    async def standing(self) -> tuple[int, int]:
        """Return how many messages nobody was handed yet, and how many somebody has. Raises `Unavailable`."""
        await self.declare()
        try:
            info = await self._link.ask(f"CONSUMER.INFO.{self._stream}.{self._name}", {})
        except ApiFault as fault:
            self._declared = False
            raise unavailable(fault) from fault
        return info["num_pending"], info["num_ack_pending"]

    async def _pull(self, seconds: float) -> Msg:
        """Ask for one message and return it, or the status that stands for none."""
        deadline = asyncio.get_running_loop().time() + seconds
        endpoint = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"

        async def ask() -> Msg:
            left = max(deadline - asyncio.get_running_loop().time(), 0.01)
            question = {"batch": 1, "expires": int(left * _NANOSECONDS)}
            arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

            def heard(message: Msg) -> None:
                if not arrived.done():
                    arrived.set_result(message)

            # An inbox of its own: when nobody listens any more, the server hands the message to somebody else at once.
            inbox = self._link.new_inbox()
            async with self._link.listening(inbox, heard=heard):
                await self._link.publish(endpoint, json.dumps(question).encode(), inbox)
                return await arrived

        return await self._link.until_answered(ask, seconds + self._link.settings.answer_seconds)

    def _handed(self, delivery: Msg) -> Handed:
        try:
            revision = delivery.metadata.sequence.stream
        except nats.errors.NotJSMessageError as error:
            raise Unavailable("The queue delivered something that is no stored message.") from error
        headers: Mapping[str, str] = delivery.headers or {}
        return Handed(delivery.subject, revision, headers, delivery.data, self._link, delivery.reply)
