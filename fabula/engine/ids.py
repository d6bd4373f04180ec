"""Names of generations, and of what belongs to their owners. Pure."""

from __future__ import annotations

import hashlib
import uuid

from fabula.engine.ports import Address, GenerationId

_OWNER_TOKEN_DIGITS = 32


def address_of(kind: str, owner: str, request_id: str) -> Address:
    """Return where the generation that `owner` starts with `request_id` lies.

    The id is a function of the three, so that starting is idempotent without a table of request ids, and a watcher may
    come before the start. It is shaped as a random UUID (RFC 9562, version 4) and as hard to guess as the request id;
    nothing rests on that: whoever is not the owner cannot address the log.
    """
    digest = hashlib.sha256(f"{kind}\0{owner}\0{request_id}".encode()).digest()
    return Address(kind, owner, GenerationId(f"{kind}-{uuid.UUID(bytes=digest[:16], version=4)}"))


def owner_token(owner: str) -> str:
    """Return the fixed-length token that stands for the owner: any string is safe, and none can be guessed at."""
    return hashlib.sha256(owner.encode()).hexdigest()[:_OWNER_TOKEN_DIGITS]


def is_generation_id(text: str, kind: str) -> bool:
    """Whether `text` has the form of an id of this kind."""
    head, _, tail = text.partition("-")
    try:
        return head == kind and str(uuid.UUID(tail)) == tail
    except ValueError:
        return False
