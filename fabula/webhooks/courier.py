"""Tells webhooks: notes for each run that ends who is to be told, and sends what is noted, until it is accepted.

Every worker has a courier, and all of them share the work. Whatever dies meanwhile, each ending is told at least once:
the queues hand out again what was not finished, a delivery's id follows from what it tells, and what was noted twice is
one delivery.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from fabula.engine.ports import Address, EventLog, Record, Records, Stored
from fabula.errors import FabulaError, LogCorrupted, NotFound, Superseded, Unavailable
from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from fabula.rpc.codec import ProtoCodec, timestamp
from fabula.rpc.summaries import Summaries
from fabula.webhooks.deliveries import PREFIX, Attempt, Delivery, DeliveryBook, DeliveryState, delivery_id, delivery_in
from fabula.webhooks.messages import event_type, payload
from fabula.webhooks.registry import DEAD, GONE, Registry, Webhook
from fabula.webhooks.schedule import THROTTLING, Verdict, delay_before, verdict_of
from fabula.webhooks.sending import Outcome
from fabula.webhooks.signing import headers

CLAIM_SECONDS = 5.0
"""How long one request for something to do waits."""

RETRY_SECONDS = 0.5
"""Wait before the journal is asked again after it did not answer."""

FAULT_SECONDS = 60.0
"""Wait before something is handed out again that has met a fault nobody foresaw."""

AT_ONCE = 64
"""Requests that a courier sends at a time,"""

AT_ONCE_PER_OWNER = 8
"""and to the endpoints of one owner: slow ones keep nobody else's waiting."""

LONGEST_REST_SECONDS = 3600.0
"""What is to be sent later is looked at again after so long at most."""

STOP_SECONDS = 2.0
"""How long requests that are under way may take when a courier stops."""

_log = structlog.get_logger(__name__)


class Ending(Protocol):
    """A run that has ended."""

    @property
    def address(self) -> Address:
        """Of which generation."""
        ...

    @property
    def record(self) -> Record:
        """The record that ends it. Raises `LogCorrupted`."""
        ...

    async def done(self) -> None:
        """Take it off the queue."""
        ...

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Have it handed out again."""
        ...


class Errand(Protocol):
    """A record that waits to be seen to."""

    @property
    def key(self) -> str:
        """Its key."""
        ...

    @property
    def stored(self) -> Stored:
        """Its value and revision."""
        ...

    async def renew(self) -> None:
        """Keep it."""
        ...

    async def done(self) -> None:
        """Take it off the queue."""
        ...

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Have it handed out again."""
        ...


class Endings(Protocol):
    """Queues of what somebody outside is to be told; see `fabula.journal.endings`."""

    async def claim_ending(self, kind: str, timeout_seconds: float) -> Ending | None:
        """Wait for a run of this kind that has ended."""
        ...

    async def claim_errand(self, prefix: str, timeout_seconds: float) -> Errand | None:
        """Wait for a record behind a prefix."""
        ...


Post = Callable[[str, dict[str, str], bytes], Awaitable[Outcome]]
"""Sends a request: `Sender.post`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a courier works with.

    Attributes:
        codec: The events of its kind.
        log: Where they are.
        records: Where webhooks and deliveries are.
        endings: What is to be told.
        lease_seconds: For how long something is handed out without being renewed.
    """

    codec: ProtoCodec
    log: EventLog
    records: Records
    endings: Endings
    lease_seconds: float


class Courier:
    """Tells webhooks of the generations of one kind, and sends what couriers of all kinds have noted.

    Args:
        desk: What it works with.
        post: Sends a request.
    """

    def __init__(self, desk: Desk, post: Post) -> None:
        self._desk = desk
        self._kind = desk.codec.kind.name
        self._summaries = Summaries(desk.codec.kind, desk.codec, desk.log)
        self._registry = Registry(desk.records)
        self._book = DeliveryBook(desk.records)
        self._post = post
        self._free = asyncio.Semaphore(AT_ONCE)
        self._busy: Counter[str] = Counter()  # requests under way, by owner
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled. Requests under way then are finished if that is soon, else they are sent again."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forever(self._note_next))
                tasks.create_task(self._forever(self._send_next))
        finally:
            if self._sending:
                await asyncio.wait(self._sending, timeout=STOP_SECONDS)
            for task in self._sending:
                task.cancel()

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do one thing after the other. Nothing that goes wrong in one reaches the others, or the worker beside."""
        told = ""
        while True:
            try:
                await step()
                told = ""
            except Exception as error:  # noqa: BLE001 - tried again; said once
                reason = error.message if isinstance(error, FabulaError) else type(error).__name__
                if reason != told:
                    _log.warning("webhooks_wait", reason=reason, exc_info=not isinstance(error, FabulaError))
                told = reason
                await asyncio.sleep(RETRY_SECONDS)

    async def _note_next(self) -> None:
        ending = await self._desk.endings.claim_ending(self._kind, CLAIM_SECONDS)
        if ending is None:
            return
        try:
            await self._note(ending)
        except LogCorrupted as error:
            _log.error("ending_not_told", generation_id=ending.address.id, reason=error.message)
        except Exception as error:
            # What the journal did not answer comes back by itself; others are not held up by what nobody foresaw.
            if not isinstance(error, Unavailable):
                await ending.give_back(FAULT_SECONDS)
            raise
        await ending.done()

    async def _note(self, ending: Ending) -> None:
        """Note a delivery for each webhook that is to be told."""
        address = ending.address
        webhooks = await self._registry.of(address.owner) if address.owner else []
        if not webhooks:
            return
        last = self._desk.codec.decode(ending.record.entries[-1])
        wanting = [each for each in webhooks if each.wants(self._kind, last.state) and _is_newer(each, last.time)]
        if not wanting:
            return
        try:
            first = await self._summaries.first(address)
        except NotFound:  # deleted already: what would be told cannot be read any more
            return
        type_ = event_type(last.state)
        body = payload(type_, timestamp(last.time), self._summaries.message(address.id, first, last))
        now = time.time()
        for webhook in wanting:
            id_ = delivery_id(webhook.id, address.id, last.sequence)
            new = Delivery(
                id_, address.owner, webhook.id, type_, body, now,
                generation_id=address.id, next=now, times_disabled=webhook.times_disabled,
            )  # fmt: skip
            if await self._book.add(new):
                _log.info("webhook_noted", generation_id=address.id, webhook_id=webhook.id, delivery_id=id_)

    async def _send_next(self) -> None:
        """Take something that is to be sent, and have it sent beside."""
        await self._free.acquire()
        errand = None
        try:
            errand = await self._desk.endings.claim_errand(PREFIX, CLAIM_SECONDS)
        finally:
            if errand is None:
                self._free.release()
        if errand is not None:
            task = asyncio.create_task(self._see_to(errand))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _see_to(self, errand: Errand) -> None:
        try:
            await self._see_to_one(errand)
        except Unavailable as error:  # the lease lapses, and it is handed out again
            _log.warning("webhook_waits", key=errand.key, reason=error.message)
        except LogCorrupted as error:
            _log.error("delivery_corrupted", key=errand.key, reason=error.message)
            with suppress(Unavailable):
                await errand.done()
        except Exception:  # noqa: BLE001 - one delivery's fault must not end the others'
            _log.exception("delivery_failed", key=errand.key)
            with suppress(Unavailable):
                await errand.give_back(FAULT_SECONDS)
        finally:
            self._free.release()

    async def _see_to_one(self, errand: Errand) -> None:
        delivery = delivery_in(errand.stored)
        if delivery.state is not DeliveryState.PENDING:
            await errand.done()
            return
        rest = self._rest(delivery)
        if rest <= 0:
            with self._under_way(delivery.owner):
                async with _renewing(errand, self._desk.lease_seconds):
                    rest = await self._send(delivery, errand.stored.revision)
        if rest > 0:
            await errand.give_back(min(rest, LONGEST_REST_SECONDS))
        else:
            await errand.done()

    def _rest(self, delivery: Delivery) -> float:
        """Return for how many seconds a delivery has to wait; 0: it is its turn, as far as is known here."""
        wait = delivery.next - time.time()
        if wait <= 0 and self._busy[delivery.owner] >= AT_ONCE_PER_OWNER:
            return random.uniform(0.5, 2.0)
        return wait

    @contextmanager
    def _under_way(self, owner: str) -> Iterator[None]:
        self._busy[owner] += 1
        try:
            yield
        finally:
            self._busy[owner] -= 1
            if not self._busy[owner]:
                del self._busy[owner]

    async def _send(self, delivery: Delivery, revision: int) -> float:
        """Send a delivery once, and note what became of it.

        Returns:
            For how many seconds its endpoint has asked, of whichever courier, to be left alone: it is not sent then.
        """
        try:
            webhook = await self._registry.get(delivery.owner, delivery.webhook_id)
        except NotFound:
            await self._desk.records.delete(delivery.key)
            return 0.0
        if _is_unwanted(delivery, webhook):
            await self._write(delivery.given_up("the webhook is disabled"), revision)
            return 0.0
        rest = (await self._registry.health(delivery.owner, webhook.id)).resting_until - time.time()
        if rest > 0 and not delivery.once:  # a test is wanted now, and sent once
            return rest
        began = time.time()
        body = delivery.body.encode()
        signed = headers(webhook.secrets_at(began), delivery.id, int(began), body)
        outcome = await self._post(webhook.url, signed, body)
        now = time.time()
        tried = Attempt(began, outcome.status, outcome.problem, now - began)
        delay = None if delivery.once else delay_before(delivery.round + 1, random.random(), outcome.retry_after)
        gone = verdict_of(outcome.status) is Verdict.GONE
        after = delivery.after(tried, None if gone else delay)
        told = {"webhook_id": webhook.id, "delivery_id": delivery.id, "status": outcome.status}
        _log.info("webhook_sent", state=after.state.value, problem=outcome.problem, **told)
        await self._judge(delivery, webhook, outcome, now)
        await self._write(after, revision)
        return 0.0

    async def _judge(self, delivery: Delivery, webhook: Webhook, outcome: Outcome, now: float) -> None:
        """Note how the endpoint has answered, and disable a webhook whose endpoint is gone."""
        rest = outcome.retry_after if outcome.status in THROTTLING else None
        dead = await self._registry.note(
            delivery.owner, webhook.id, now, accepted=not outcome.problem, rest_seconds=rest or 0.0
        )
        why = GONE if verdict_of(outcome.status) is Verdict.GONE else DEAD if dead else ""
        if why:
            with suppress(NotFound):
                await self._registry.disable(delivery.owner, webhook.id, why)
                _log.warning("webhook_disabled", webhook_id=webhook.id, reason=why)

    async def _write(self, delivery: Delivery, revision: int) -> None:
        with suppress(Superseded):  # somebody else has seen to it while this process stood still
            await self._book.write(delivery, after=revision)


def _is_newer(webhook: Webhook, ended: Any) -> bool:
    """Whether a run ended after the webhook was registered, as far as clocks of two machines can tell."""
    moment: float = ended.timestamp()
    return moment > webhook.created - CLOCK_SKEW_SECONDS


def _is_unwanted(delivery: Delivery, webhook: Webhook) -> bool:
    """Whether a webhook is disabled, or was after this was noted or last asked for."""
    if delivery.even_disabled:
        return False
    return bool(webhook.disabled) or delivery.times_disabled < webhook.times_disabled


@asynccontextmanager
async def _renewing(errand: Errand, lease_seconds: float) -> AsyncIterator[None]:
    """Keep an errand while the block lasts."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(lease_seconds / 3)
            with suppress(Unavailable):
                await errand.renew()

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()


@asynccontextmanager
async def telling(courier: Courier) -> AsyncIterator[None]:
    """Let a courier work while the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(courier.run())
        yield
        working.cancel()
