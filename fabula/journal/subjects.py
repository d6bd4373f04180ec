"""The names under which the journal keeps things in NATS. Pure: no connection, no clock.

A log lies on `fabula.ev.<kind>.<owner token>.<generation id>.<purpose>`; the server republishes what it has stored
on `fabula.live.…` with the same tail. The purpose is that of the record (`q`, `c`, `z`, `e`) or `x` for a tombstone.
"""

from __future__ import annotations

import re

from fabula.engine.ids import owner_token
from fabula.engine.ports import Address, GenerationId, Purpose
from fabula.errors import InvalidRequest

EVENTS_STREAM = "FABULA_EVENTS"
RECORDS_STREAM = "FABULA_RECORDS"
BLOBS_STREAM = "FABULA_BLOBS"
PREVIEWS_STREAM = "FABULA_PREVIEWS"
QUEUE_STREAM = "FABULA_QUEUE"

STORED = "fabula.ev"
LIVE = "fabula.live"
RECORDS = "fabula.record"
BLOBS = "fabula.blob"
PREVIEWS = "fabula.preview"
QUEUE = "fabula.queue"
JOBS = "fabula.job"

TOMBSTONE = "x"
"""Stands where a purpose stands: the log was deleted, its id stays burnt."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEY = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def log(address: Address, purpose: Purpose) -> str:
    """Return the subject a record of this purpose is stored on."""
    return f"{STORED}.{_place(address)}.{purpose.value}"


def tombstone(address: Address) -> str:
    """Return the subject that says the log was deleted."""
    return f"{STORED}.{_place(address)}.{TOMBSTONE}"


def whole_log(address: Address) -> str:
    """Return the filter for everything stored of one generation: its fence."""
    return f"{STORED}.{_place(address)}.*"


def live_log(address: Address) -> str:
    """Return the filter for one generation's records as they are stored."""
    return f"{LIVE}.{_place(address)}.*"


def queued(kind: str) -> str:
    """Return the filter for the records that queue a generation of this kind."""
    return f"{STORED}.{token(kind, 'kind')}.*.*.{Purpose.QUEUE.value}"


def ticket(address: Address, revision: int) -> str:
    """Return the subject of the ticket of a job."""
    return f"{QUEUE}.{_place(address)}.{revision}"


def tickets(kind: str) -> str:
    """Return the filter for the tickets of a kind."""
    return f"{QUEUE}.{token(kind, 'kind')}.>"


def tickets_of(kind: str, owner: str) -> str:
    """Return the filter for an owner's tickets."""
    return f"{QUEUE}.{token(kind, 'kind')}.{owner_token(owner)}.>"


def jobs(kind: str) -> str:
    """Return the filter for all that is said of a kind's jobs: tickets as they are stored, and what follows."""
    return f"{JOBS}.{token(kind, 'kind')}.>"


def job_held(kind: str) -> str:
    """Return the subject on which workers say which jobs they still have."""
    return f"{JOBS}.{token(kind, 'kind')}.held"


def job_gone(kind: str) -> str:
    """Return the subject on which is said which tickets were removed."""
    return f"{JOBS}.{token(kind, 'kind')}.gone"


def ended(kind: str) -> str:
    """Return the filter for the records that end a run of a generation of this kind."""
    return f"{STORED}.{token(kind, 'kind')}.*.*.{Purpose.END.value}"


def live_of_kind(kind: str, purpose: str) -> str:
    """Return the filter for records of one purpose in all generations of a kind, as they are stored."""
    return f"{LIVE}.{token(kind, 'kind')}.*.*.{purpose}"


def of_owner(kind: str, owner: str, purpose: str) -> str:
    """Return the filter for records of one purpose in all generations of an owner."""
    return f"{STORED}.{token(kind, 'kind')}.{owner_token(owner)}.*.{purpose}"


def live_of_owner(kind: str, owner: str) -> str:
    """Return the filter for all records of an owner's generations, as they are stored."""
    return f"{LIVE}.{token(kind, 'kind')}.{owner_token(owner)}.*.*"


def record(key: str) -> str:
    """Return the subject of a named value.

    Raises:
        InvalidRequest: the key is none.
    """
    if not _KEY.fullmatch(key):
        message = f'The key "{key[:64]}" must be lower-case words, digits, "-" and "_", joined by ".".'
        raise InvalidRequest(message)
    return f"{RECORDS}.{key}"


def records_behind(prefix: str) -> str:
    """Return the filter for all named values whose keys go on behind a prefix. Raises as `record`."""
    return f"{record(prefix)}.>"


def key_of(subject: str) -> str:
    """Return the key in a subject of `fabula.record`."""
    return subject.removeprefix(f"{RECORDS}.")


def preview(address: Address, place: int) -> str:
    """Return the subject of a picture's newest preview."""
    return f"{PREVIEWS}.{_place(address)}.{place}"


def previews(address: Address) -> str:
    """Return the filter for the previews of all pictures of a generation."""
    return f"{PREVIEWS}.{_place(address)}.*"


def place_of(subject: str) -> int:
    """Return the place in a subject of `fabula.preview`."""
    return int(subject.rsplit(".", 1)[1])


def blob(name: str) -> str:
    """Return the subject below which a blob lies: one token for each step of its path.

    Each step is written in hexadecimal behind a letter, so that any name is safe and none is empty.
    """
    return ".".join([BLOBS, *(_step(step) for step in name.split("/"))])


def generation_of(subject: str) -> GenerationId:
    """Return the id in a subject of `fabula.ev` or `fabula.live`."""
    return GenerationId(subject.split(".")[4])


def purpose_of(subject: str) -> str:
    """Return the purpose in a subject of `fabula.ev` or `fabula.live`; `TOMBSTONE` for a deleted log."""
    return subject.rsplit(".", 1)[1]


def token(text: str, what: str) -> str:
    """Return `text` if it can stand in a subject.

    Raises:
        InvalidRequest: it cannot; `what` names it in the message.
    """
    if not _TOKEN.fullmatch(text):
        message = f'The {what} "{text[:64]}" must be 1 to 128 letters, digits, "-" and "_".'
        raise InvalidRequest(message)
    return text


def _place(address: Address) -> str:
    return f"{token(address.kind, 'kind')}.{owner_token(address.owner)}.{token(address.id, 'generation id')}"


def _step(step: str) -> str:
    return "n" + step.encode().hex()
