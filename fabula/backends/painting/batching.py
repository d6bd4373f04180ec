"""Who is served next, and who shares a batch. Pure: times are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from fabula.backends.painting.requests import Terms

# A network of fewer weights than this leaves a device idle with one picture; see `what_pays`.
_SMALL = 100_000_000


def what_pays(device: str, weights: int) -> int:
    """Return how many pictures to denoise together at most, where nobody has said.

    Batches pay until a device is busy: measured with the bundled painter on a processor, a picture's share of the work
    falls to 58 % in batches of 4 and 47 % in batches of 8, and stays there. A processor is busy with a single picture
    of a large network, and a batch would only make all wait for the slowest; an accelerator takes a few, as far as
    memory goes.

    Args:
        device: As of `ImageCard.device`.
        weights: Numbers in the denoising network.
    """
    if weights < _SMALL:
        return 8
    return {"cuda": 4, "mps": 2}.get(device.partition(":")[0], 1)


class Rank(IntEnum):
    """What goes first. What is begun is finished; reading a prompt takes milliseconds and lets others join a batch."""

    ENCODE = 0
    DECODE = 1
    REFINER = 2
    BASE = 3


@dataclass(frozen=True, slots=True)
class Ticket:
    """A piece of work that waits.

    Attributes:
        number: In the order of arrival.
        rank: What it is.
        terms: Of what may share a batch; None for what runs alone.
        pictures: Slots of a batch that it takes.
        waits_until: It waits for company until then, by the loop's clock; 0: it does not.
    """

    number: int
    rank: Rank
    terms: Terms | None = None
    pictures: int = 1
    waits_until: float = 0.0


class Company:
    """Requests that are expected: a prompt was read for them, or the base has done its part, so they come any moment.

    Args:
        seconds: For how long one is expected.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: list[float] = []

    def expect(self, now: float) -> None:
        """Expect one more."""
        self._until.append(now + self._seconds)

    def arrived(self, now: float) -> None:
        """Note that one has come; nobody was expected if it was long on its way."""
        self._forget(now)
        if self._until:
            self._until.pop(0)

    def until(self, now: float) -> float:
        """Return until when somebody may still come; `now` if nobody is expected."""
        self._forget(now)
        return max(self._until, default=now)

    def _forget(self, now: float) -> None:
        self._until = [until for until in self._until if until > now]


def choose(waiting: Sequence[Ticket], limit: int, now: float) -> list[Ticket]:
    """Return what is served now: one piece of work, or those that share a batch with it; empty while all still wait.

    Args:
        waiting: What waits, in any order.
        limit: Most pictures of a batch. One request with more of them is a batch of its own.
        now: By the loop's clock.
    """
    for ticket in sorted(waiting, key=lambda ticket: (ticket.rank, ticket.number)):
        batch = _company(ticket, waiting, limit)
        if ticket.waits_until <= now or sum(member.pictures for member in batch) >= limit:
            return batch
    return []


def wakes_at(waiting: Sequence[Ticket]) -> float:
    """Return when the first of those that wait for company stops waiting; never, if nobody waits."""
    return min((ticket.waits_until for ticket in waiting), default=math.inf)


def _company(first: Ticket, waiting: Sequence[Ticket], limit: int) -> list[Ticket]:
    batch, pictures = [first], first.pictures
    if first.terms is None:
        return batch
    for ticket in sorted(waiting, key=lambda ticket: ticket.number):
        if ticket is not first and ticket.terms == first.terms and pictures + ticket.pictures <= limit:
            batch.append(ticket)
            pictures += ticket.pictures
    return batch
