"""Who is at the door: what a request or a socket shows of who it is, and the owner whom that names.

Tokens are read from headers, subprotocols and a cookie, never from the address: addresses end up in logs. What cannot
send any of these, such as an EventSource of another site, shows a ticket there, which is good once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from fabula.errors import NotFound, PermissionDenied, Unauthenticated
from fabula.rpc.auth import Authenticator, Identity, bearer
from fabula.rpc.client import Caller, Client
from fabula.rpc.tickets import TICKETS
from gateway.cookies import SessionCookie
from gateway.origin import OriginRule
from gateway.picture_links import KEY, PictureLinks

TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 - a prefix
"""Prefix of the subprotocol with which a browser's WebSocket, which cannot send headers, hands over its token."""

TICKET = "ticket"
"""Name of the query parameter with a ticket."""

LONGEST_TRACE = 256
"""Characters of a `traceparent` that is passed on; the form of today has 55."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in.

    Attributes:
        owner: The owner of what they start, and of all they may see.
        caller: On whose behalf services are called: the token goes on to them.
        expires: Unix time from which they are not welcome any more; None: never.
        generation_id: The one generation that they may read, and nothing else; empty: no such restriction.
    """

    owner: str
    caller: Caller
    expires: float | None = None
    generation_id: str = ""

    def check_may_read(self, generation_id: str) -> None:
        """Check that a ticket, if that is what was shown, is for this generation. Raises `NotFound`."""
        if self.generation_id not in ("", generation_id):
            raise NotFound("there is no such generation", id=generation_id)


class Doorkeeper:
    """Tells who comes in, at every door.

    Args:
        authenticator: Tells whose a token is.
        rule: Tells pages of other sites.
        cookie: The cookie in which a browser may keep its token.
        offices: By kind, the services that take tickets in.
        links: Reads the keys in addresses of pictures.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        rule: OriginRule,
        cookie: SessionCookie,
        offices: Mapping[str, Client],
        links: PictureLinks,
    ) -> None:
        self._authenticator = authenticator
        self._offices = offices
        self.rule = rule
        self.cookie = cookie
        self.links = links

    @property
    def required(self) -> bool:
        """Whether visitors have to show anything."""
        return self._authenticator.required

    async def let_in(self, connection: HTTPConnection) -> Visitor:
        """Tell who is asking: by header, WebSocket subprotocol or cookie, the first of these that there is.

        Raises:
            Unauthenticated: a token is needed, and there is none or it does not hold.
            PermissionDenied: it came by cookie, from who knows which page.
            Unavailable: it cannot be checked at the moment.
        """
        headers, scope = connection.headers, connection.scope
        token = token_of(headers, scope.get("subprotocols", ()))
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        return await self._visitor(token or self._kept(headers, proof=changes), headers)

    async def let_in_to_read(self, connection: HTTPConnection, generation_id: str = "") -> Visitor:
        """Tell who is asking: as `let_in`, or by a ticket in the address, which goes first.

        Args:
            connection: The request, or the WebSocket's handshake.
            generation_id: What the address says is to be read; empty: that is said later.

        Raises:
            FabulaError: as `let_in`; `Unauthenticated` also where a ticket does not hold.
        """
        ticket = connection.query_params.get(TICKET, "")
        if not ticket or not self.required:
            return await self.let_in(connection)
        visitor = await self._redeem(ticket, connection.headers)
        visitor.check_may_read(generation_id or visitor.generation_id)
        return visitor

    async def let_in_to_see(self, connection: HTTPConnection, generation_id: str) -> tuple[Visitor, bool]:
        """Tell who asks for a picture: by the key in its address, which goes first, or as `let_in_to_read`.

        Returns:
            Who it is, and whether it was a key that said so: it is good for a generation's first picture.

        Raises:
            FabulaError: as `let_in_to_read`; `NotFound` where a key does not hold.
        """
        key = connection.query_params.get(KEY, "")
        if not key or not self.required:
            return await self.let_in_to_read(connection, generation_id), False
        identity, token = self.links.read(generation_id, key)
        return _visitor(identity, Caller(token, _trace_of(connection.headers))), True

    async def let_in_by(self, token: str, headers: Headers) -> Visitor:
        """Tell who is at a socket that says its token itself, or none: then by its handshake's header or cookie.

        Raises:
            FabulaError: as `let_in`.
        """
        return await self._visitor(token or token_of(headers) or self._kept(headers, proof=True), headers)

    async def renew(self, visitor: Visitor, token: str) -> Visitor:
        """Return the same visitor with a fresh token.

        Raises:
            FabulaError: as `let_in`; `PermissionDenied` where the token is somebody else's.
        """
        if not self.required:
            return visitor
        identity = await self._authenticator.identify(token)
        if identity.owner != visitor.owner:
            raise PermissionDenied("the token is another owner's than the one that has opened this socket")
        return _visitor(identity, Caller(token, visitor.caller.trace))

    async def identify(self, token: str) -> Identity:
        """Tell whose token this is. Raises as `let_in`."""
        return await self._authenticator.identify(token)

    async def _visitor(self, token: str, headers: Headers) -> Visitor:
        identity = await self._authenticator.identify(token)
        return _visitor(identity, Caller(token if self.required else "", _trace_of(headers)))

    def _kept(self, headers: Headers, *, proof: bool) -> str:
        """Return the token in the cookie; empty if there is none. `proof`: a request without a page's name is none."""
        token = self.cookie.read(headers) if self.required else ""
        if token:
            self.rule.check_page(headers, proof=proof)
        return token

    async def _redeem(self, ticket: str, headers: Headers) -> Visitor:
        office = self._offices.get(ticket.partition(".")[0])
        if office is None or len(ticket) > 128:
            raise Unauthenticated("this is no ticket: POST /v1/tickets gives one")
        caller = Caller(trace=_trace_of(headers))
        answer = await office.call("RedeemTicket", TICKETS.request("RedeemTicket")(ticket=ticket), caller)
        expires = answer.expire_time.seconds if answer.HasField("expire_time") else None
        return _visitor(Identity(answer.owner, expires, answer.generation_id), Caller(answer.token, caller.trace))


def _visitor(identity: Identity, caller: Caller) -> Visitor:
    return Visitor(identity.owner, caller, identity.expires, identity.generation_id)


def token_of(headers: Headers, subprotocols: Sequence[str] = ()) -> str:
    """Return the token of a request, empty if it carries none. The header goes before the subprotocol."""
    if token := bearer(headers.items()):
        return token
    for subprotocol in subprotocols:
        if subprotocol.startswith(TOKEN_SUBPROTOCOL):
            return subprotocol.removeprefix(TOKEN_SUBPROTOCOL)
    return ""


def _trace_of(headers: Headers) -> str:
    """Return what the request is part of; empty where gRPC would refuse to carry it: the call must not fail for it."""
    trace = headers.get("traceparent", "")
    return trace if trace.isascii() and trace.isprintable() and len(trace) <= LONGEST_TRACE else ""
