"""What is remembered from earlier generations, and what workers say of themselves: the ground of every forecast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import structlog

from fabula.engine.events import Remaining
from fabula.engine.forecast import Pace, add_up
from fabula.engine.ports import Records
from fabula.errors import Superseded

WHOLE = "whole"
"""The role under which the working time of whole runs is kept."""

ALIVE_SECONDS = 10
"""A worker that has not said it is alive for this long is taken for dead."""

Measured = tuple[str, float, int]
"""Role, seconds and units of a piece of work."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """What a worker says of itself.

    Attributes:
        worker: Its name.
        model: Who does its work.
        slots: Generations it runs at the same time.
    """

    worker: str
    model: str
    slots: int


class PaceBook:
    """Keeps the paces and the signs of life of one kind of generator.

    Args:
        records: Where they are kept.
        kind: Which kind.
    """

    def __init__(self, records: Records, kind: str) -> None:
        self._records = records
        self._kind = kind
        self._unkept: dict[str, list[Measured]] = {}
        self._keeping = False

    async def read(self, model: str) -> dict[str, Pace]:
        """Return what is known of a model's paces, by role."""
        return (await self._read(model))[1]

    async def keep(self, model: str, measured: Sequence[Measured]) -> None:
        """Add what one generation's stages took, those of a role together; other workers may write at the same time.

        While this worker writes already, whoever writes takes it along: a thousand generations that end at once must
        not race each other for one record. What could not be written is taken along by the next.
        """
        self._unkept.setdefault(model, []).extend(_by_role(measured))
        if self._keeping:
            return
        self._keeping = True
        try:
            while self._unkept:
                model, together = self._unkept.popitem()
                try:
                    await self._add(model, together)
                except BaseException:
                    self._unkept.setdefault(model, []).extend(together)
                    raise
        finally:
            self._keeping = False

    async def _add(self, model: str, measured: Sequence[Measured]) -> None:
        while measured:
            revision, paces = await self._read(model)
            for role, seconds, units in measured:
                paces[role] = paces.get(role, Pace()).add(seconds, units)
            value = json.dumps({role: pace.samples for role, pace in paces.items()}).encode()
            with suppress(Superseded):
                await self._records.put(self._key(model), value, after=revision)
                return

    async def show_life(self, sign: SignOfLife) -> None:
        """Say that a worker is alive; holds for `ALIVE_SECONDS`."""
        await self._records.put(f"worker.{self._kind}", json.dumps(asdict(sign)).encode(), ttl_seconds=ALIVE_SECONDS)

    async def life(self) -> SignOfLife | None:
        """Return the newest sign of life; None if no worker lives."""
        stored = await self._records.get(f"worker.{self._kind}")
        return None if stored is None else _sign_in(stored.value)

    async def remaining_behind(self, position: int) -> Remaining | None:
        """Return the time until a generation is done that has `position` others before it; None if not known."""
        sign = await self.life()
        pace = (await self.read(sign.model)).get(WHOLE) if sign is not None else None
        if sign is None or pace is None or not pace.samples:
            return None
        turns = position // sign.slots + 1
        return add_up([Remaining(pace.quantile(0.5), pace.quantile(0.9))] * turns)

    def _key(self, model: str) -> str:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in model.lower())
        return f"pace.{self._kind}.{plain}"

    async def _read(self, model: str) -> tuple[int, dict[str, Pace]]:
        stored = await self._records.get(self._key(model))
        return (0, {}) if stored is None else (stored.revision, _paces_in(stored.value))


def _by_role(measured: Sequence[Measured]) -> list[Measured]:
    """Return what all stages of each role took together: the chapters of one story are no samples of many stories."""
    roles: dict[str, tuple[float, int]] = {}
    for role, seconds, units in measured:
        before, counted = roles.get(role, (0.0, 0))
        roles[role] = before + seconds, counted + max(1, units)
    return [(role, seconds, units) for role, (seconds, units) in roles.items()]


def _sign_in(value: bytes) -> SignOfLife:
    """Return the sign of life in a record; where it is of another version, only that somebody lives."""
    try:
        return SignOfLife(**json.loads(value))
    except (ValueError, TypeError):
        return SignOfLife("", "", 1)


def _paces_in(value: bytes) -> dict[str, Pace]:
    """Return the paces that a record holds; none if it holds anything else: no work must wait for a forecast."""
    try:
        return {role: Pace(tuple(map(float, samples))) for role, samples in json.loads(value).items()}
    except (ValueError, TypeError, AttributeError) as error:
        _log.warning("paces_unreadable", reason=str(error))
        return {}
