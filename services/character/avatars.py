"""What is to be done for avatars, kept durably until it is done: one record for each character.

It is written before anybody else is told. Whoever carries it out deletes the record.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from fabula.engine.ids import address_of, owner_token
from fabula.engine.ports import Address, Records
from fabula.errors import LogCorrupted
from fabula.rpc.kinds import IMAGE

AVATARS = "avatars"
"""What all keys begin with; then come the owner's token and the character's id."""


@dataclass(frozen=True, slots=True)
class AvatarTask:
    """What is to be done for one character's avatar.

    Attributes:
        owner: Whose it is.
        character_id: Whose face.
        request_id: With which the image service is asked to paint; empty where nothing is to be painted any more.
        generation_id: The image service's generation that this request id begins; empty as above.
        remove: Generations of the image service that are to be cancelled and deleted.
    """

    owner: str
    character_id: str
    request_id: str = ""
    generation_id: str = ""
    remove: tuple[str, ...] = ()


def painting(character: Address, attempt: int) -> AvatarTask:
    """Return the task to paint a character, from attempt 1: a function of the two, so that asking twice is harmless."""
    request_id = f"{character.id}.avatar-{attempt}"
    generation_id = address_of(IMAGE.name, character.owner, request_id).id
    return AvatarTask(character.owner, character.id, request_id, generation_id)


async def queue(records: Records, task: AvatarTask) -> None:
    """Keep a task, in the place of the one before."""
    await records.put(key_of(task.owner, task.character_id), json.dumps(asdict(task)).encode())


def key_of(owner: str, character_id: str) -> str:
    """Return the key of the record that keeps a character's task."""
    return f"{AVATARS}.{owner_token(owner)}.{character_id}"


def task_of(value: bytes) -> AvatarTask:
    """Return the task in a record. Raises `LogCorrupted`."""
    try:
        fields = json.loads(value)
        return AvatarTask(**{**fields, "remove": tuple(fields["remove"])})
    except (ValueError, KeyError, TypeError) as error:
        raise LogCorrupted("what is to be done for an avatar cannot be read by this version") from error
