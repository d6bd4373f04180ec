"""Whose turn it is in the queue of one kind. Pure: no clock, no connection.

Owners take turns. An owner joins the rota when the first of its jobs begins to wait, and goes to the end of it with
every job that is handed out; each owner's jobs go in the order they were queued. So whoever is new waits for at most
one job of each other owner, however many they have waiting, and nobody waits for ever. A job that was in a worker's
hands before, and came back because the worker stopped or died, goes first: its turn has been.

Time is counted by the store: every change of a job has a later place in it than all before.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that nobody has.

    Attributes:
        revision: Which one; later ones of the same owner have higher ones.
        owner: Whose it is.
        arrived: When it began to wait.
        begun: Whether it was in a worker's hands before.
    """

    revision: int
    owner: str
    arrived: int
    begun: bool = False


@dataclass(slots=True)
class _Owner:
    """Where one owner stands.

    Attributes:
        waiting: Revisions that wait for their turn, in order.
        begun: How many wait that workers had before.
        running: Revisions that workers have.
        served: When it had its last turn.
        key: Its place in the rota; None while nothing of it waits for a turn.
    """

    waiting: list[int] = field(default_factory=list)
    begun: int = 0
    running: set[int] = field(default_factory=set)
    served: int = 0
    key: int | None = None


@dataclass(frozen=True, slots=True)
class _Round:
    """Keys of the owners that have a job in one round: those that may, and those that must wait for one of theirs."""

    free: list[int] = field(default_factory=list)
    full: list[int] = field(default_factory=list)


class Turns:
    """Who waits, who has been served, and who is next.

    Args:
        limit: Most jobs of one owner that workers have at a time; 0: any number.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._waiting: dict[int, Waiting] = {}
        self._running: dict[int, str] = {}
        self._owners: dict[str, _Owner] = {}
        self._begun: list[int] = []
        self._rota: list[tuple[int, str]] = []

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self._waiting)

    def waiting(self, owner: str) -> int:
        """Return how many of an owner's jobs wait."""
        place = self._owners.get(owner)
        return 0 if place is None else place.begun + len(place.waiting)

    def wait(self, job: Waiting) -> None:
        """Let a job wait; one that is known is put where it belongs now."""
        self.drop(job.revision)
        self._waiting[job.revision] = job
        owner = self._owners.setdefault(job.owner, _Owner())
        if job.begun:
            insort(self._begun, job.revision)
            owner.begun += 1
            return
        insort(owner.waiting, job.revision)
        self._seat(job.owner, owner)

    def hold(self, job: Waiting, now: int) -> None:
        """Note that a worker has a job since `now`: its owner had a turn, unless the job had had its own before."""
        self.drop(job.revision)
        owner = self._owners.setdefault(job.owner, _Owner())
        owner.running.add(job.revision)
        self._running[job.revision] = job.owner
        if not job.begun:
            owner.served = max(owner.served, now)
            self._seat(job.owner, owner)

    def drop(self, revision: int) -> None:
        """Forget a job: it is done, or gone. Idempotent."""
        job = self._waiting.pop(revision, None)
        name = job.owner if job is not None else self._running.pop(revision, None)
        if name is None:
            return
        owner = self._owners[name]
        owner.running.discard(revision)
        if job is not None:
            line = self._begun if job.begun else owner.waiting
            del line[bisect_left(line, revision)]
            owner.begun -= job.begun
            self._seat(name, owner)
        if not (owner.waiting or owner.begun or owner.running):
            del self._owners[name]  # a job that comes later arrives later than its last turn: nothing to remember

    def next(self) -> int | None:
        """Return the job to be handed out next; None if none may be."""
        for revision in self._begun:
            if self._room(self._waiting[revision].owner) != 0:
                return revision
        for _, name in self._rota:
            if self._room(name) != 0:
                return self._owners[name].waiting[0]
        return None

    def order(self) -> Order:
        """Return the order as it is foreseen now."""
        rounds: list[_Round] = []
        for key, name in self._rota:
            room = self._room(name)
            for number in range(len(self._owners[name].waiting)):
                if number == len(rounds):
                    rounds.append(_Round())
                may = room is None or number < room
                (rounds[number].free if may else rounds[number].full).append(key)
        before = [len(self._begun)]
        for each in rounds:
            before.append(before[-1] + len(each.free) + len(each.full))
        return Order(self, tuple(rounds), tuple(before))

    def find(self, revision: int) -> tuple[int, int, int | None] | None:
        """Return the round, the owner's key and its room of a job that waits; the key is -1 if it goes first."""
        job = self._waiting.get(revision)
        if job is None:
            return None
        if job.begun:
            return bisect_left(self._begun, revision), -1, None
        owner = self._owners[job.owner]
        return bisect_left(owner.waiting, revision), owner.key or 0, self._room(job.owner)

    def __iter__(self) -> Iterator[Waiting]:
        """Yield every job that waits, in no order."""
        return iter(list(self._waiting.values()))

    def _room(self, name: str) -> int | None:
        """Return how many more of an owner's jobs workers may have; None: any number."""
        return max(0, self._limit - len(self._owners[name].running)) if self._limit else None

    def _seat(self, name: str, owner: _Owner) -> None:
        """Put an owner where it belongs in the rota: behind everybody who was there before its last turn."""
        if owner.key is not None:
            del self._rota[bisect_left(self._rota, (owner.key, name))]
            owner.key = None
        if owner.waiting:
            owner.key = max(owner.served, self._waiting[owner.waiting[0]].arrived)
            insort(self._rota, (owner.key, name))


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which jobs will be handed out, if nothing else comes; made once for many questions.

    In each round every owner has one job. Those that workers have as many of as they may are behind the others of
    their round: when one of theirs will be done, nobody knows.
    """

    turns: Turns
    rounds: tuple[_Round, ...]
    before: tuple[int, ...]

    def ahead(self, revision: int) -> int | None:
        """Return how many go before a job; None if it does not wait."""
        found = self.turns.find(revision)
        if found is None:
            return None
        number, key, room = found
        if key < 0:
            return number
        if number >= len(self.rounds):  # it came after this was made
            return self.before[-1]
        this = self.rounds[number]
        if room is None or number < room:
            return self.before[number] + bisect_left(this.free, key)
        return self.before[number] + len(this.free) + bisect_left(this.full, key)
