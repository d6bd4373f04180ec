"""Counts what clients hold and take, by keys such as addresses and owners. Pure; the clock is handed in.

Nothing is kept of a key under which nothing is counted any more.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from fabula.errors import ResourceExhausted, Unavailable
from fabula.rpc.errors import RETRY_AFTER

CONNECTION_RETRY_SECONDS = 5
"""When to come back who has too many connections open: as soon as one is closed, which nobody can foretell."""

FREE_BODY_BYTES = 16 * 1024
"""So much of each body does not count: connections are bounded, too."""

IPV6_PREFIX = 64
"""Bits of an IPv6 address that one client cannot choose: a subscriber is given at least the other half to itself."""

Clock = Callable[[], float]
"""Tells the time in seconds; only differences count."""
OnLimit = Callable[[str], None]
"""Told the name of a limit whenever somebody has met it."""


def exceeded(
    limit: str, message: str, retry_after_seconds: float = CONNECTION_RETRY_SECONDS, **details: str
) -> ResourceExhausted:
    """Return the error that says that a limit was met.

    Args:
        limit: Its name, stable: `details.limit` of the error.
        message: What is wrong and what to do.
        retry_after_seconds: When it makes sense to try again.
        details: Further values that the message mentions.
    """
    details = {**details, "limit": limit, RETRY_AFTER: str(max(1, math.ceil(retry_after_seconds)))}
    return ResourceExhausted(message, **details)


def too_many_messages(bucket: Bucket) -> ResourceExhausted:
    """Return the error for who has said more on a socket than `bucket` allows."""
    message = "too many messages were sent on this socket: connect again after a while, and send fewer"
    return exceeded("messages", message, bucket.refill_seconds)


@lru_cache(maxsize=256)  # it is asked several times for each request
def address_key(address: str) -> str:
    """Return what a client's address is counted under: itself; of IPv6 its /64; IPv4 within IPv6 as IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX), IPV6_PREFIX)))


class Tally:
    """A count for each key, with a bound.

    Args:
        most: The bound; 0: there is none, and nothing is counted.
    """

    __slots__ = ("_counts", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many keys are kept."""
        return len(self._counts)

    def __getitem__(self, key: str) -> int:
        """Return a key's count."""
        return self._counts.get(key, 0)

    def enter(self, key: str) -> bool:
        """Count one more; False, and nothing is counted, where that is one too many. The empty key has no bound."""
        if not self.most or not key:
            return True
        count = self._counts.get(key, 0)
        if count >= self.most:
            return False
        self._counts[key] = count + 1
        return True

    def leave(self, key: str) -> None:
        """Count one less, which was counted before."""
        if not self.most or not key:
            return
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]


class Place:
    """One connection's place among those that are open. Made by `Connections`."""

    __slots__ = ("_connections", "_owners", "address")

    def __init__(self, connections: Connections, address: str) -> None:
        self._connections = connections
        self._owners: tuple[str, ...] = ()  # hardly ever more than one
        self.address = address

    def belong_to(self, owner: str) -> None:
        """Count it as this owner's, once; it may have several, where it carries several users.

        Raises:
            ResourceExhausted: the owner has too many open.
        """
        if owner not in self._owners:
            self._connections.add_owner(owner)
            self._owners = (*self._owners, owner)

    def leave(self) -> None:
        """Give it back. To be called once."""
        self._connections.give_back(self.address, self._owners)


class Connections:
    """The long connections that are open, and who holds them.

    Args:
        most: How many there may be in all.
        most_per_address: How many of one address; 0: any number.
        most_per_owner: How many of one owner; 0: any number.
        on_limit: Told of each that is refused.
    """

    def __init__(
        self, most: int, most_per_address: int = 0, most_per_owner: int = 0, on_limit: OnLimit = lambda _: None
    ) -> None:
        self._most = most
        self._addresses = Tally(most_per_address)
        self._owners = Tally(most_per_owner)
        self._on_limit = on_limit
        self.count = 0

    @property
    def keys(self) -> int:
        """How many addresses and owners are kept."""
        return len(self._addresses) + len(self._owners)

    def enter(self, address: str = "", owner: str = "") -> Place:
        """Take a place; it has to be given back.

        Args:
            address: Where the client is; empty: nobody knows.
            owner: Who it is; empty: that is said later, by `Place.belong_to`.

        Raises:
            ResourceExhausted: there are too many, or too many of this address or owner. Nothing is counted then.
        """
        key = address_key(address)
        if self.count >= self._most:
            raise self._refuse("connections", "too many connections are open here: try again later")
        if not self._addresses.enter(key):
            raise self._refuse(
                "connections_per_address",
                f"your address has {self._addresses.most} connections open, and may have no more: close some, or try "
                "again later",
            )
        self.count += 1
        place = Place(self, key)
        try:
            place.belong_to(owner)
        except ResourceExhausted:
            place.leave()
            raise
        return place

    def add_owner(self, owner: str) -> None:
        """Count a connection as an owner's. Raises `ResourceExhausted`."""
        if not self._owners.enter(owner):
            raise self._refuse(
                "connections_per_owner",
                f"you have {self._owners.most} connections open, and may have no more: close some, or try again later",
            )

    def give_back(self, address: str, owners: Iterable[str]) -> None:
        """Count a connection no more."""
        self.count -= 1
        self._addresses.leave(address)
        for owner in owners:
            self._owners.leave(owner)

    def _refuse(self, limit: str, message: str) -> ResourceExhausted:
        self._on_limit(limit)
        return exceeded(limit, message)


class Budget:
    """Bytes of request bodies that may be held at a time while they are read, whoever sends them.

    Args:
        most: How many.
        on_limit: Told of each body that is refused.
    """

    def __init__(self, most: int, on_limit: OnLimit = lambda _: None) -> None:
        self._most = most
        self._on_limit = on_limit
        self.held = 0

    @contextmanager
    def reading(self) -> Iterator[Callable[[int], None]]:
        """Give what is to be called with the size of each piece of one body; all are given back after the block.

        What is called raises `Unavailable` where that is too much. The first of a body's bytes do not count: what is
        small gets through when others have filled the budget.
        """
        counted, free = 0, FREE_BODY_BYTES

        def take(size: int) -> None:
            nonlocal counted, free
            spared = min(size, free)
            free -= spared
            size -= spared
            if size and self.held + size > self._most:
                self._on_limit("bodies_bytes")
                details = {"limit": "bodies_bytes", RETRY_AFTER: str(CONNECTION_RETRY_SECONDS)}
                raise Unavailable("too much is being sent here at the moment: try again later", **details)
            counted += size
            self.held += size

        try:
            yield take
        finally:
            self.held -= counted


class Bucket:
    """How much somebody may still do (a token bucket).

    Args:
        per_second: What may be done in the long run.
        at_once: What may be done in one go.
        clock: Tells the time.
    """

    __slots__ = ("_at_once", "_clock", "_left", "_per_second", "_since")

    def __init__(self, per_second: float, at_once: float, clock: Clock = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = float(at_once)
        self._clock = clock
        self._left = self._at_once
        self._since = clock()

    def take(self) -> bool:
        """Take one; False if there is none left."""
        self._fill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def full(self) -> bool:
        """Whether it is as if nothing had been taken."""
        self._fill()
        return self._left >= self._at_once

    @property
    def refill_seconds(self) -> float:
        """How long it takes to fill an empty one."""
        return self._at_once / self._per_second

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._since) * self._per_second)
        self._since = now


class Rates:
    """A token bucket for each key.

    Args:
        per_second: What each may do in the long run; 0: as much as it likes.
        at_once: What each may do in one go.
        clock: Tells the time.
    """

    def __init__(self, per_second: float, at_once: float, clock: Clock = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are kept."""
        return len(self._buckets)

    def take(self, key: str) -> bool:
        """Take one for a key; False if it has none left."""
        if not self._per_second or not key:
            return True
        self._forget()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._per_second, self._at_once, self._clock)
        self._buckets.move_to_end(key)
        return bucket.take()

    def _forget(self) -> None:
        """Forget whose bucket is full again; looked at in the order in which they were last used."""
        while self._buckets and (oldest := next(iter(self._buckets.values()))).full:
            self._buckets.popitem(last=False)
            del oldest
