"""What the engine needs of the world: a log, a queue, records, blobs and previews.

The ports say what is promised; `fabula.journal` keeps the promises with NATS JetStream. Nothing here knows
protobuf: an event travels as bytes that only the service's codec reads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

if TYPE_CHECKING:
    from fabula.engine.events import Event, Preview, Progress, State

GenerationId = NewType("GenerationId", str)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a generation's log lies. Who does not know the owner cannot address it.

    Attributes:
        kind: The generator, e.g. "story".
        owner: The subject that owns it, as the token names it.
        id: The generation's id.
    """

    kind: str
    owner: str
    id: GenerationId


class Tag(StrEnum):
    """What a reader must know of an entry without decoding it."""

    STATE = "s"
    """Anything that is none of the below; never left out."""
    TEXT = "t"
    """A text delta; never left out."""
    PROGRESS = "a"
    """Progress only: superseded by the entry that follows."""
    TERMINAL = "z"
    """Ends a run: the log stands still after it, until a retry."""
    EPHEMERAL = "p"
    """Not part of the log (sequence 0): a preview, a queue position."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as stored and as sent.

    Attributes:
        sequence: Position in the generation's log, from 1; 0 if ephemeral.
        tag: What kind of event it is.
        data: The encoded event: the very bytes every watcher receives.
        place: Of ephemeral entries: which of those that are shown side by side; it replaces the one before in its
            place.
    """

    sequence: int
    tag: Tag
    data: bytes
    place: int = field(default=0, kw_only=True)


class Purpose(StrEnum):
    """Who else than watchers has to learn of a record at once."""

    NOTE = "e"
    """Nobody."""
    QUEUE = "q"
    """Workers: the record puts the generation into the queue."""
    CONTROL = "c"
    """The worker that runs it: somebody asks for something."""
    END = "z"
    """Who is to be told that a run has ended: the record ends it."""


@dataclass(frozen=True, slots=True)
class Record:
    """Entries that were appended together: all of them are stored, or none.

    Attributes:
        revision: Position in the store, increasing over all logs; the fence of the next append.
        append_id: Drawn by the writer for this append; tells a late answer from a lost fence.
        entries: One or more entries with consecutive sequences.
    """

    revision: int
    append_id: str
    entries: tuple[Entry, ...]

    @property
    def first_sequence(self) -> int:
        """Sequence of the first entry."""
        return self.entries[0].sequence

    @property
    def last_sequence(self) -> int:
        """Sequence of the last entry."""
        return self.entries[-1].sequence


class EventCodec(Protocol):
    """Turns events into the bytes that every watcher receives, and back. One for each service."""

    def encode(self, generation: GenerationId, event: Event) -> Entry:
        """Return the event as it is stored and sent."""
        ...

    def decode(self, entry: Entry) -> Event:
        """Return the event. Raises `LogCorrupted` for bytes that no version of this service has written."""
        ...

    def encode_preview(self, generation: GenerationId, preview: Preview, state: State, progress: Progress) -> Entry:
        """Return a preview as it is sent: an ephemeral entry, in the place of its picture."""
        ...


class EventLog(Protocol):
    """The logs of all generations: append-only, fenced, durable.

    All methods raise `Unavailable` when the store does not answer within a few seconds.
    """

    async def append(
        self,
        address: Address,
        entries: Sequence[Entry],
        *,
        after: int,
        append_id: str,
        purpose: Purpose = Purpose.NOTE,
    ) -> int:
        """Append `entries` as one record behind the record with revision `after` (0: the log is empty).

        An append is visible to nobody before it is durable. Calling again with the same `append_id` and `after`,
        because the answer to the first call was lost, stores nothing twice.

        Returns:
            The revision of the new record.

        Raises:
            Superseded: another record follows `after` already; nothing was stored.
            InvalidRequest: the record is larger than the store accepts; nothing was stored.
            Unavailable: no answer; the record may or may not be stored: call again with the same arguments.
        """
        ...

    async def first(self, address: Address) -> Record | None:
        """Return the oldest record, or None for an unknown or deleted generation."""
        ...

    async def last(self, address: Address) -> Record | None:
        """Return the newest record (never a stale one), or None for an unknown or deleted generation."""
        ...

    def read(self, address: Address, after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield what is stored now, from the record that holds `after_sequence + 1`, in order, then end."""
        ...

    def follow(self, address: Address, after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield what is stored and then what comes, without gap or overlap, until closed.

        The first record may begin at or before `after_sequence`: the caller skips what it has. Survives
        reconnects of the store. Raises `NotFound` when the generation is deleted; a generation that does not exist
        yet is waited for. Raises `LogCorrupted` where stored sequences have a gap.
        """
        ...

    def controls(self, kind: str) -> AsyncGenerator[GenerationId | None, None]:
        """Yield the id of each generation whose log has received a control record from now on.

        The first item is None: from then on nothing is missed unsaid. Each later None says: some may have been missed
        (the connection was lost); look at every log you care for.
        """
        ...

    async def delete(self, address: Address, *, after: int | None = None) -> None:
        """Remove the log. Idempotent. With `after`, only if that is its newest revision; else raise `Superseded`.

        Later appends fail their fence; followers end with `NotFound`; the id stays burnt: an append with `after=0` is
        refused as `Superseded`, while `last` returns None.
        """
        ...

    async def deleted(self, address: Address) -> bool:
        """Whether there was such a log, and it was deleted."""
        ...

    async def listing(self, kind: str, owner: str) -> Sequence[FirstRecord]:
        """Return the first record of each of the owner's generations, newest first; deleted ones left out."""
        ...

    async def lasts(self, addresses: Sequence[Address]) -> Sequence[Record | None]:
        """Return the newest record of each address, in the order given; None where there is none."""
        ...

    def feed(self, kind: str, owner: str) -> AsyncGenerator[tuple[GenerationId, Record | None] | None, None]:
        """Yield each record stored from now on in any of the owner's logs; a None record says it was deleted.

        The first item is a bare None: from then on nothing is missed unsaid. Each later one says: some may have been
        missed; list again.
        """
        ...


@dataclass(frozen=True, slots=True)
class FirstRecord:
    """The beginning of a log, as a listing shows it."""

    address: Address
    record: Record


class Job(Protocol):
    """A generation that this worker has been handed, for as long as it renews its claim."""

    @property
    def address(self) -> Address:
        """Which generation."""
        ...

    @property
    def revision(self) -> int:
        """Revision of the record that queued it. If the log has a newer queueing record, this job is stale."""
        ...

    async def renew(self) -> None:
        """Keep the claim for another lease time."""
        ...

    async def done(self) -> None:
        """Take the job off the queue. Only for who holds the log: never after `Superseded`."""
        ...

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Let another worker have it, after the delay."""
        ...


class JobQueue(Protocol):
    """The generations that wait for a worker: a view of the logs.

    Owners take turns (`fabula.engine.turns`); those of one owner go in the order they were queued. No owner has more
    of them in workers' hands at a time than it may. A job that is neither renewed, done nor given back within the lease
    is handed out again.
    """

    async def claim(self, kind: str, timeout_seconds: float) -> Job | None:
        """Wait for a job of this kind; None if there is none within the timeout. `Unavailable` as `EventLog`."""
        ...

    async def position(self, kind: str, revision: int) -> int | None:
        """Return how many jobs will be handed out before the one queued by `revision`; None when not known."""
        ...

    async def depth(self, kind: str) -> int:
        """Return how many jobs of this kind wait and are not handed out yet."""
        ...

    async def waiting(self, kind: str, owner: str) -> int:
        """Return how many jobs of an owner wait; what was queued elsewhere a moment ago may not be counted yet."""
        ...

    async def expect(self, address: Address, revision: int) -> None:
        """Count what was queued by this record from now on, before the queue itself knows of it."""
        ...

    async def withdraw(self, address: Address, before: int) -> None:
        """Take a generation off the queue that needs no worker any more, as of its record with revision `before`.

        Best effort: a job that is handed out nevertheless is found to be stale.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A record's value with the revision that a conditional write names."""

    value: bytes
    revision: int


class Records(Protocol):
    """Small named values with compare-and-set. Keys: lower-case words, digits, "-" and "_", joined by "."."""

    async def get(self, key: str) -> Stored | None:
        """Return the value, or None if there is none, it was deleted or has expired."""
        ...

    async def put(self, key: str, value: bytes, *, after: int | None = None, ttl_seconds: int | None = None) -> int:
        """Write the value; with `after` only if that is the current revision (0: there is none).

        Returns:
            The new revision.

        Raises:
            Superseded: the condition does not hold; nothing was written.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove the value. Idempotent."""
        ...

    async def all(self, prefix: str) -> Mapping[str, Stored]:
        """Return every value whose key goes on behind `prefix` and a ".", by key, the one written longest ago first.

        What was written or deleted a moment ago may not show yet: only `get` is never stale.
        """
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of a blob without reading it."""

    name: str
    size_bytes: int
    media_type: str
    sha256: str


def own_blobs(address: Address) -> str:
    """Return the path below which all blobs of a generation lie; they go with it."""
    return f"{address.kind}/{address.id}/"


def working_blobs(address: Address) -> str:
    """Return the path below which stages keep what is of use only until the run has ended (checkpoints).

    It is removed when a generation is cancelled or deleted; a pipeline that succeeds removes it itself.
    """
    return f"{own_blobs(address)}work/"


class Blobs(Protocol):
    """Bytes of any size beside the logs. Names are paths such as "story/<id>/source"; a blob never changes."""

    async def put(self, name: str, data: bytes, media_type: str) -> BlobInfo:
        """Store the bytes durably. The same name again replaces the blob."""
        ...

    async def get(self, name: str) -> bytes:
        """Return the bytes, checked against their digest. Raises `NotFound`, `LogCorrupted`."""
        ...

    async def info(self, name: str) -> BlobInfo:
        """Return what is known of the blob. Raises `NotFound`."""
        ...

    async def delete_all(self, prefix: str) -> None:
        """Remove every blob whose name begins with `prefix`. Idempotent."""
        ...


class Previews(Protocol):
    """The newest preview of each picture of a generation; old ones cost nothing. Best effort: never durable."""

    async def publish(self, address: Address, entry: Entry) -> None:
        """Replace the preview in this entry's place."""
        ...

    def follow(self, address: Address) -> AsyncGenerator[Entry, None]:
        """Yield the newest preview in each place, then those that replace them, sparing what a slow reader missed."""
        ...
