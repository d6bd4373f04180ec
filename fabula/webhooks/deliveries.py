"""What is told to webhooks: a record for each delivery, which is its place in the queue and its history at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from fabula.engine.ids import owner_token
from fabula.engine.ports import Records, Stored
from fabula.errors import LogCorrupted, NotFound, Superseded

PREFIX = "delivery"
"""Prefix of the records' keys."""

KEPT_SECONDS = 7 * 24 * 3600
"""How long a delivery can be read after its end. One that has not ended is kept four times as long at most."""

MOST_ATTEMPTS_KEPT = 20


class DeliveryState(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request.

    Attributes:
        time: Unix time at which it was sent.
        status: HTTP status of the answer; 0: there was none.
        problem: What went wrong; empty: nothing.
        seconds: How long it took.
    """

    time: float
    status: int
    problem: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that is told to a webhook.

    Attributes:
        id: Its id, the same at each attempt: `webhook-id`.
        owner: Whose webhook.
        webhook_id: Which.
        type: What it tells.
        body: What is sent, to the letter.
        created: Unix time at which it was made.
        generation_id: Of which generation; empty for a test.
        state: How far it is.
        next: Unix time from which it is sent, or sent again.
        attempts: What was sent so far; of many, the last ones.
        round: Attempts since it was asked for; a retry by hand begins anew.
        failure: Why it was given up.
        once: Whether it is not sent again when that fails.
        even_disabled: Whether it is sent to a disabled webhook, too.
        times_disabled: How often its webhook was disabled before this was noted, or asked for again.
    """

    id: str
    owner: str
    webhook_id: str
    type: str
    body: str = field(repr=False)
    created: float
    generation_id: str = ""
    state: DeliveryState = DeliveryState.PENDING
    next: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    round: int = 0
    failure: str = ""
    once: bool = False
    even_disabled: bool = False
    times_disabled: int = 0

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"{_prefix(self.owner, self.webhook_id)}.{self.id}"

    def after(self, attempt: Attempt, delay: float | None) -> Delivery:
        """Return it after an attempt: delivered, sent again after the delay, or given up where there is none."""
        tried = replace(self, attempts=(*self.attempts, attempt)[-MOST_ATTEMPTS_KEPT:], round=self.round + 1)
        if not attempt.problem:
            return replace(tried, state=DeliveryState.DELIVERED, next=0.0)
        if delay is None:
            return tried.given_up(
                f"after {tried.round} attempts: {attempt.problem}" if tried.round > 1 else attempt.problem
            )
        return replace(tried, next=attempt.time + attempt.seconds + delay)

    def given_up(self, why: str) -> Delivery:
        """Return it as it is when nothing is sent any more."""
        return replace(self, state=DeliveryState.FAILED, next=0.0, failure=why)

    def again(self, now: float, times_disabled: int) -> Delivery:
        """Return it as it is when somebody asks for it to be sent again, of a webhook that was disabled so often."""
        return replace(self, state=DeliveryState.PENDING, next=now, round=0, failure="", times_disabled=times_disabled)


class DeliveryBook:
    """Keeps deliveries.

    Args:
        records: Where.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery, and have it sent; return whether it is new indeed."""
        try:
            await self.write(delivery, after=0)
        except Superseded:
            return False
        return True

    async def write(self, delivery: Delivery, *, after: int) -> None:
        """Keep a delivery as it now is. Raises `Superseded` if it is not at revision `after` any more."""
        seconds = KEPT_SECONDS * (4 if delivery.state is DeliveryState.PENDING else 1)
        await self._records.put(delivery.key, json.dumps(asdict(delivery)).encode(), after=after, ttl_seconds=seconds)

    async def get(self, owner: str, webhook_id: str, id_: str) -> tuple[Delivery, int]:
        """Return a delivery and its revision. Raises `NotFound`."""
        stored = await self._records.get(f"{_prefix(owner, webhook_id)}.{id_}") if is_delivery_id(id_) else None
        if stored is None:
            raise NotFound("there is no such delivery", id=id_, resource="delivery")
        return delivery_in(stored), stored.revision

    async def of(self, owner: str, webhook_id: str) -> list[Delivery]:
        """Return what is told to a webhook, the newest first."""
        kept = await self._records.all(_prefix(owner, webhook_id))
        return sorted((delivery_in(stored) for stored in kept.values()), key=order, reverse=True)


def delivery_in(stored: Stored) -> Delivery:
    """Return the delivery in a record. Raises `LogCorrupted`."""
    try:
        content = json.loads(stored.value)
        attempts = tuple(Attempt(**each) for each in content.pop("attempts"))
        return Delivery(**{**content, "state": DeliveryState(content["state"]), "attempts": attempts})
    except (ValueError, TypeError, KeyError):
        raise LogCorrupted("the record of a delivery cannot be read") from None


def order(delivery: Delivery) -> tuple[float, str]:
    """Return what deliveries are sorted by."""
    return delivery.created, delivery.id


def delivery_id(*of: object) -> str:
    """Return the id that follows from what a delivery tells to whom: noted twice, it is one all the same."""
    digest = hashlib.sha256("\0".join(map(str, of)).encode()).hexdigest()
    return f"msg_{digest[:32]}"


def is_delivery_id(text: str) -> bool:
    """Whether `text` has the form of a delivery's id."""
    digits = text.removeprefix("msg_")
    return len(text) == 36 and len(digits) == 32 and all(digit in "0123456789abcdef" for digit in digits)


def _prefix(owner: str, webhook_id: str) -> str:
    return f"{PREFIX}.{owner_token(owner)}.{webhook_id}"
