"""What is to be done for avatars, kept durably until it is done: one record for each character.

It is written before anybody else is told. Whoever carries it out deletes the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace

from fabula.engine.ids import address_of, owner_token
from fabula.engine.ports import Address, Records
from fabula.errors import LogCorrupted, Superseded, Unavailable
from fabula.rpc.kinds import IMAGE
from fabula.rpc.stores import RACES
from services.character.sheet import Avatar

AVATARS = "avatars"
"""What all keys begin with; then come the owner's token and the character's id."""

FIRST = "1"
"""Names the first attempt to paint a character; later ones are named by the request that asks for them."""

ASKED = "avatar-requests"
"""What the keys begin with that tell which avatars were asked for."""

ASKED_SECONDS = 86_400
"""How long that is known."""

SETTLED_SECONDS = 5
"""How long a task that is done stays, marked as such: no record is deleted that somebody else may just have written."""


@dataclass(frozen=True, slots=True)
class AvatarTask:
    """What is to be done for one character's avatar.

    Attributes:
        owner: Whose it is.
        character_id: Whose face.
        request_id: With which the image service is asked to paint; empty where nothing is to be painted any more.
        generation_id: The image service's generation that this request id begins; empty as above.
        remove: Generations of the image service that are to be cancelled and deleted; where something is painted, not
            the one that is shown.
        trace_id: W3C trace id of what asked for it; empty where that is the one of the character's generation.
    """

    owner: str
    character_id: str
    request_id: str = ""
    generation_id: str = ""
    remove: tuple[str, ...] = ()
    trace_id: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.request_id or self.remove)

    @property
    def first(self) -> bool:
        """Whether this is the character's first avatar."""
        return self.request_id.endswith(f".avatar-{FIRST}")


def painting(character: Address, attempt: str = FIRST, trace_id: str = "") -> AvatarTask:
    """Return the task to paint a character: the same attempt is the same generation, so that asking twice is harmless.

    Args:
        character: Whose face.
        attempt: `FIRST`, or what `attempt_of` makes of a request id.
        trace_id: Of what asks for it.
    """
    request_id = f"{character.id}.avatar-{attempt}"
    generation_id = address_of(IMAGE.name, character.owner, request_id).id
    return AvatarTask(character.owner, character.id, request_id, generation_id, trace_id=trace_id)


def attempt_of(request_id: str) -> str:
    """Return the name of the attempt that a request asks for."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:16]


async def _always() -> bool:
    return True


async def queue(records: Records, task: AvatarTask, wanted: Callable[[], Awaitable[bool]] = _always) -> None:
    """Keep a task in the place of the one before, and take over what that one leaves to be removed.

    Args:
        records: Where.
        task: What is to be done.
        wanted: Asks whether the character still waits for what is to be painted. If another avatar was linked
            meanwhile, whose task may be kept already, that one stays, and this one's generation is to be removed.

    Raises:
        Unavailable: somebody else wrote first each time.
    """
    key = key_of(task.owner, task.character_id)
    for _ in range(RACES):
        stored = await records.get(key)
        before = AvatarTask(task.owner, task.character_id)
        with suppress(LogCorrupted):  # what cannot be read is good for nothing but to be replaced
            before = task_of(stored.value) if stored else before
        kept, dropped = (task, before) if await wanted() else (before, task)
        ids = dict.fromkeys((*kept.remove, *dropped.remove, dropped.generation_id))
        remove = tuple(id_ for id_ in ids if id_ and id_ != kept.generation_id)
        try:
            await records.put(key, _value(replace(kept, remove=remove)), after=stored.revision if stored else 0)
        except Superseded:
            continue
        return
    raise Unavailable("the avatar is changing too fast: try again")


async def was_asked(records: Records, task: AvatarTask) -> bool:
    """Say whether this very task has been queued lately."""
    return await records.get(_asked_key(task)) is not None


async def note_asked(records: Records, task: AvatarTask) -> None:
    """Keep for a day that this task was queued: a call that is repeated late must not undo what came after it."""
    await records.put(_asked_key(task), task.generation_id.encode(), ttl_seconds=ASKED_SECONDS)


async def queue_removal(records: Records, character: Address, avatar: Avatar) -> None:
    """Note durably that nothing is to be painted any more, and what was painted is to be removed."""
    painted = tuple(one for one in (avatar.generation_id, avatar.ready_generation_id) if one)
    if painted:
        await queue(records, AvatarTask(character.owner, character.id, remove=painted))


async def settle(records: Records, task: AvatarTask, revision: int) -> None:
    """Drop a task that is done, unless another has come in its place."""
    done = AvatarTask(task.owner, task.character_id)
    with suppress(Superseded):
        key = key_of(task.owner, task.character_id)
        await records.put(key, _value(done), after=revision, ttl_seconds=SETTLED_SECONDS)


def _asked_key(task: AvatarTask) -> str:
    return f"{ASKED}.{owner_token(task.owner)}.{task.character_id}.{attempt_of(task.request_id)}"


def key_of(owner: str, character_id: str) -> str:
    """Return the key of the record that keeps a character's task."""
    return f"{AVATARS}.{owner_token(owner)}.{character_id}"


def task_of(value: bytes) -> AvatarTask:
    """Return the task in a record; what a later version has added to it is passed over. Raises `LogCorrupted`."""
    try:
        found = json.loads(value)
        known = {field.name: found[field.name] for field in fields(AvatarTask) if field.name in found}
        return AvatarTask(**{**known, "remove": tuple(known["remove"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LogCorrupted("what is to be done for an avatar cannot be read by this version") from error


def is_task(value: bytes) -> bool:
    """Say whether a record's task can be read."""
    try:
        task_of(value)
    except LogCorrupted:
        return False
    return True


def _value(task: AvatarTask) -> bytes:
    return json.dumps(asdict(task)).encode()
