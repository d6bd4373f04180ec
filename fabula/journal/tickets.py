"""A ticket stands for a job that is not done: one message for each in a stream of their own. Pure: no connection.

It is written when a record that queues is found, again by the worker that takes the job, again when that gives it back,
and removed when the job is done. Its newest place in the stream is the fence of whoever changes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote, unquote

from fabula.engine.ids import owner_token
from fabula.engine.ports import Address, GenerationId
from fabula.engine.turns import Waiting
from fabula.errors import LogCorrupted
from fabula.journal import subjects
from fabula.journal.stored import OWNER, StoredMessage


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job that is not done.

    Attributes:
        address: Which generation.
        revision: Of the record that queued it.
        place: Where the ticket was stored last; 0: not yet.
        arrived: Where it was stored first; 0: at its place.
        held: Whether a worker has it.
        begun: Whether a worker had it before; of one that is held: before this one.
        delay_seconds: How long it is to be left alone after it was stored.
    """

    address: Address
    revision: int
    place: int = 0
    arrived: int = 0
    held: bool = False
    begun: bool = False
    delay_seconds: float = 0.0

    @property
    def owner(self) -> str:
        """The token of its owner."""
        return owner_token(self.address.owner)

    @property
    def subject(self) -> str:
        """Where it is stored."""
        return subjects.ticket(self.address, self.revision)

    @property
    def headers(self) -> dict[str, str]:
        """What is stored beside it."""
        return {OWNER: quote(self.address.owner, safe="")}

    def waiting(self) -> Waiting:
        """Return how it waits."""
        return Waiting(self.revision, self.owner, self.arrived or self.place, self.begun)

    def encode(self) -> bytes:
        """Return what is stored."""
        state = {"arrived": self.arrived or self.place, "held": self.held, "begun": self.begun}
        return json.dumps({**state, "delay": self.delay_seconds}).encode()


def ticket_of(message: StoredMessage) -> Ticket:
    """Return the ticket in a message.

    Raises:
        LogCorrupted: it holds none.
    """
    try:
        _, _, kind, _, generation, revision = message.subject.split(".")
        state = json.loads(message.data)
        return Ticket(
            Address(kind, unquote(message.headers.get(OWNER, "")), GenerationId(generation)),
            int(revision),
            message.revision,
            int(state["arrived"]),
            bool(state["held"]),
            bool(state["begun"]),
            float(state["delay"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LogCorrupted(f"Message {message.revision} of the queue is no ticket.") from error
