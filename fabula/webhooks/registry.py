"""The webhooks of each owner: one record for all of an owner's, so that a change is seen by all and a bound is exact.

Their secrets stand in it as they are: whoever signs with a secret has to have it. So who can read the journal can sign
as we do, as they can read every generation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from fabula.engine.ids import owner_token
from fabula.engine.ports import Records
from fabula.errors import LogCorrupted, NotFound, Superseded, Unavailable
from fabula.rpc.stores import RACES
from fabula.webhooks.schedule import is_dead

ROTATION_SECONDS = 24 * 3600.0
"""How long requests are signed by the secret before, too."""

GONE = "the endpoint answered 410: it is gone for good"
DEAD = "for five days the endpoint has accepted nothing"
ASKED = "you have disabled it"

_TOO_BUSY = "the webhooks are changing too fast: try again"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told.

    Attributes:
        id: Its id.
        url: Where requests go.
        created: Unix time at which it was registered.
        secret: What its requests are signed with.
        secret_created: Unix time at which that was drawn.
        description: What it is for.
        kinds: Generators whose generations are told; empty: all.
        states: States in which they are told of, by their names in `State`.
        old_secret: The secret before.
        old_until: Unix time until which that one signs, too.
        disabled: Why nothing is sent to it; empty: it is told.
        disabled_at: Unix time since when.
        times_disabled: How often it was disabled: what was noted before is given up, though it is told again.
    """

    id: str
    url: str
    created: float
    secret: str = field(repr=False)
    secret_created: float
    description: str = ""
    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    old_secret: str = field(default="", repr=False)
    old_until: float = 0.0
    disabled: str = ""
    disabled_at: float = 0.0
    times_disabled: int = 0

    def wants(self, kind: str, state: str) -> bool:
        """Whether it is told of a generation of this kind that ends in this state."""
        return not self.disabled and (not self.kinds or kind in self.kinds) and state in self.states

    def secrets_at(self, now: float) -> list[str]:
        """Return the secrets that sign now, the newest first."""
        return [self.secret, *([self.old_secret] if self.old_secret and now < self.old_until else [])]


@dataclass(frozen=True, slots=True)
class Health:
    """How a webhook's endpoint has answered.

    Attributes:
        succeeded: Unix time of the last request that it accepted; 0: it has accepted none.
        failing_since: Unix time of the first that it has not accepted since; 0: there is none.
        failures: How many it has not accepted since.
        resting_until: Unix time until which it has asked to be left alone.
    """

    succeeded: float = 0.0
    failing_since: float = 0.0
    failures: int = 0
    resting_until: float = 0.0


class Registry:
    """Keeps webhooks.

    Args:
        records: Where.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def of(self, owner: str) -> list[Webhook]:
        """Return an owner's webhooks, the oldest first."""
        return (await self._read(owner))[0]

    async def get(self, owner: str, id_: str) -> Webhook:
        """Return a webhook. Raises `NotFound` where the owner has none of this id."""
        return _found(await self.of(owner), id_)

    async def change(self, owner: str, id_: str, how: Callable[[Webhook], Webhook]) -> Webhook:
        """Replace a webhook by what `how` makes of it, and return that. Raises `NotFound`."""

        def changed(webhooks: list[Webhook]) -> list[Webhook]:
            after = how(_found(webhooks, id_))
            return [after if webhook.id == id_ else webhook for webhook in webhooks]

        return _found(await self.rewrite(owner, changed), id_)

    async def rewrite(self, owner: str, how: Callable[[list[Webhook]], list[Webhook]]) -> list[Webhook]:
        """Replace an owner's webhooks by what `how` makes of them; what it raises changes nothing."""
        for _ in range(RACES):
            before, revision = await self._read(owner)
            after = how(before)
            if after == before:
                return after
            value = json.dumps([asdict(webhook) for webhook in after]).encode()
            try:
                await self._records.put(_key(owner), value, after=revision)
            except Superseded:
                continue
            return after
        raise Unavailable(_TOO_BUSY)

    async def disable(self, owner: str, id_: str, why: str) -> Webhook:
        """Stop telling a webhook. Raises `NotFound`."""
        now = time.time()

        def disabled(before: Webhook) -> Webhook:
            if before.disabled:
                return before
            return replace(before, disabled=why, disabled_at=now, times_disabled=before.times_disabled + 1)

        return await self.change(owner, id_, disabled)

    async def health(self, owner: str, id_: str) -> Health:
        """Return how a webhook's endpoint has answered."""
        stored = await self._records.get(_health_key(owner, id_))
        return Health() if stored is None else Health(**json.loads(stored.value))

    async def note(self, owner: str, id_: str, now: float, *, accepted: bool, rest_seconds: float = 0.0) -> bool:
        """Note an attempt, and for how long all couriers have to leave the endpoint alone.

        Returns:
            Whether the endpoint is to be taken for dead.
        """
        for _ in range(RACES):
            stored = await self._records.get(_health_key(owner, id_))
            before = Health() if stored is None else Health(**json.loads(stored.value))
            rest = max(before.resting_until, now + rest_seconds)
            if accepted:
                after = Health(succeeded=now, resting_until=rest)
            else:
                after = Health(before.succeeded, before.failing_since or now, before.failures + 1, rest)
            value = json.dumps(asdict(after)).encode()
            try:
                await self._records.put(_health_key(owner, id_), value, after=stored.revision if stored else 0)
            except Superseded:
                continue
            return bool(after.failures) and is_dead(after.failing_since, after.failures, now)
        return False  # others note the same all the time

    async def forget_health(self, owner: str, id_: str) -> None:
        """Begin anew."""
        await self._records.delete(_health_key(owner, id_))

    async def _read(self, owner: str) -> tuple[list[Webhook], int]:
        stored = await self._records.get(_key(owner))
        if stored is None:
            return [], 0
        try:
            found = [_webhook(each) for each in json.loads(stored.value)]
        except (ValueError, TypeError, KeyError):
            raise LogCorrupted("the record of these webhooks cannot be read") from None
        return found, stored.revision


def no_such_webhook(id_: str) -> NotFound:
    """Return the error for an id that is nobody's, or another's: the two are told alike."""
    return NotFound("there is no such webhook", id=id_, resource="webhook")


def _found(webhooks: list[Webhook], id_: str) -> Webhook:
    for webhook in webhooks:
        if webhook.id == id_:
            return webhook
    raise no_such_webhook(id_)


def _webhook(content: dict[str, object]) -> Webhook:
    kinds, states = content.pop("kinds"), content.pop("states")
    return Webhook(**content, kinds=tuple(kinds), states=tuple(states))  # type: ignore[arg-type]  # as `asdict` wrote it


def _key(owner: str) -> str:
    return f"webhook.{owner_token(owner)}"


def _health_key(owner: str, id_: str) -> str:
    return f"webhook-health.{owner_token(owner)}.{id_}"
