"""Tickets: given to who has a token, shown by who cannot send one. They hold for seconds, and once.

A ticket is a random word; what it stands for is a record that all servers share, kept under the word's hash. Whoever
marks the record as used first has redeemed the ticket, at whichever server.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from fabula.api.ticket.v1 import ticket_pb2 as pb
from fabula.engine.ids import is_generation_id
from fabula.engine.ports import Records
from fabula.errors import Superseded, Unauthenticated
from fabula.rpc.auth import Authenticator
from fabula.rpc.edge import Edge
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import Kind
from fabula.rpc.stores import Call, not_found

TICKET_SECONDS = 30
"""How long a ticket holds."""

RECORD_SECONDS = 2 * TICKET_SECONDS
"""How long its record is kept: that it was used has to be known for as long as it would hold."""

TICKETS = Kind("ticket", pb, "fabula.api.ticket.v1.TicketService", 0)
"""The service, as clients and edges see one. It has no port of its own: every generator's server answers."""

_GONE = "the ticket does not hold: each is good once, and for 30 seconds; ask for a new one"


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What a ticket stands for, as it is kept.

    Attributes:
        owner: Who asked for it.
        generation_id: What may be read.
        until: Unix time until which it can be used.
        expires: Unix time from which the asker's own token holds no longer; None: it always holds.
        used: Whether it was.
    """

    owner: str
    generation_id: str
    until: float
    expires: float | None
    used: bool = False


class TicketOffice:
    """Gives out tickets for the generations of one kind, and takes them in.

    Args:
        kind: Name of the kind.
        records: Where what they stand for is kept.
        issuer: Signs the tokens that they are redeemed for.
    """

    def __init__(self, kind: str, records: Records, issuer: Issuer) -> None:
        self._kind = kind
        self._records = records
        self._issuer = issuer

    def edge(self, auth: Authenticator) -> Edge:
        """Return its rpcs, ready for a server. A ticket is all that is needed to redeem it."""
        methods = {"CreateTicket": self.create, "RedeemTicket": self.redeem}
        return Edge(TICKETS, methods, {}, auth, open_to_all=("RedeemTicket",))

    async def create(self, call: Call, request: Any) -> Any:
        """CreateTicket."""
        if not is_generation_id(request.generation_id, self._kind):
            raise not_found(request.generation_id)
        word = f"{self._kind}.{secrets.token_urlsafe(32)}"
        until = time.time() + TICKET_SECONDS
        await self._keep(word, _Ticket(call.owner, request.generation_id, until, call.expires), after=0)
        return pb.CreateTicketResponse(ticket=word, expire_time=_timestamp(until))

    async def redeem(self, _call: Call, request: Any) -> Any:
        """RedeemTicket."""
        stored = await self._records.get(_key(request.ticket))
        if stored is None:
            raise Unauthenticated(_GONE)
        ticket = _Ticket(**json.loads(stored.value))
        if ticket.used or time.time() >= ticket.until:
            raise Unauthenticated(_GONE)
        used = _Ticket(ticket.owner, ticket.generation_id, ticket.until, ticket.expires, used=True)
        try:
            await self._keep(request.ticket, used, after=stored.revision)
        except Superseded:  # somebody else was faster by a moment
            raise Unauthenticated(_GONE) from None
        token = self._issuer.reader(ticket.owner, ticket.generation_id, ticket.expires)
        response = pb.RedeemTicketResponse(owner=ticket.owner, generation_id=ticket.generation_id, token=token)
        if ticket.expires is not None:
            response.expire_time.CopyFrom(_timestamp(ticket.expires))
        return response

    async def _keep(self, word: str, ticket: _Ticket, *, after: int) -> None:
        value = json.dumps(asdict(ticket)).encode()
        await self._records.put(_key(word), value, after=after, ttl_seconds=RECORD_SECONDS)


def _key(word: str) -> str:
    """Return where a ticket is kept: who reads the records cannot use those that he finds."""
    return f"ticket.{hashlib.sha256(word.encode()).hexdigest()}"


def _timestamp(unix: float) -> Timestamp:
    return Timestamp(seconds=int(unix), nanos=int(unix % 1 * 1_000_000_000))
