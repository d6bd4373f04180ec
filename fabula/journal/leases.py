"""Which workers still have their jobs, and which jobs are left alone for a while. Pure but for the times it is told.

Workers say so every fraction of the lease. Who listens counts from when it heard them last, and only while it listened
itself: a process that was asleep or busy has heard nobody, and must not conclude anything from that.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf

_LOOKS = 4
_AWAKE_LOOKS = 2


class Leases:
    """Times, by revision of the job.

    Args:
        seconds: How long a worker may be silent.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard: dict[int, float] = {}
        self._delayed: dict[int, float] = {}
        self._looked = -inf

    @property
    def look_seconds(self) -> float:
        """How often `look` is to be called."""
        return self._seconds / _LOOKS

    def look(self, now: float) -> bool:
        """Note that this process is awake; return whether there is a silent worker, or a delay is over."""
        if now - self._looked > _AWAKE_LOOKS * self.look_seconds:
            self._heard = dict.fromkeys(self._heard, now)
        self._looked = now
        return bool(self.silent(now)) or any(until <= now for until in self._delayed.values())

    def hold(self, revision: int, now: float) -> None:
        """A worker has taken the job, or has it still."""
        self._heard[revision] = now

    def delay(self, revision: int, until: float) -> None:
        """Nobody is to take the job before."""
        self._delayed[revision] = until

    def forget(self, revision: int) -> None:
        """Nothing holds of this job any more."""
        self._heard.pop(revision, None)
        self._delayed.pop(revision, None)

    def silent(self, now: float) -> Collection[int]:
        """Return the jobs whose workers are silent for longer than a lease, in order; none while `look` is late."""
        if now - self._looked > _AWAKE_LOOKS * self.look_seconds:
            return ()
        return sorted(revision for revision, heard in self._heard.items() if now - heard >= self._seconds)

    def rested(self, now: float) -> Collection[int]:
        """Return the jobs whose delay is over, and forget that they had one."""
        over = [revision for revision, until in self._delayed.items() if until <= now]
        for revision in over:
            del self._delayed[revision]
        return over

    def held(self) -> Collection[int]:
        """Return the jobs that workers have."""
        return self._heard.keys()

    def delayed(self) -> Collection[int]:
        """Return the jobs that are left alone for now."""
        return self._delayed.keys()
