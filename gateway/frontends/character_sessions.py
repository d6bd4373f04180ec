"""The front ends of family C: a character is made while its owner watches, and then its avatar is painted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from fabula.errors import FabulaError, ResourceExhausted
from gateway.answers import problem_of
from gateway.channels import SOCKET_IO, Channel, Said
from gateway.dialects.character_sessions import EVENT
from gateway.doors.socket_io.client import DOOR, Client, Handler
from gateway.doors.socket_io.door import visitor_of
from gateway.frontends.character_addresses import FAMILY
from gateway.frontends.character_places import character_id_of, room_name
from gateway.frontends.character_session import CURSOR, CharacterSession
from gateway.house import House
from gateway.identity import Visitor
from gateway.owner_feeds import News, OwnerFeeds, Told
from gateway.payloads.schema import TEXT
from gateway.pipe import ClientGone

NAMESPACE = "/"
JOIN, JOINED, LEAVE = "join_character_generation", "character_generation_joined", "leave_character_generation"

MOST_SESSIONS = 64
"""Sessions that one connection hears of at a time."""


def character_channel(path: str) -> Channel:
    """Return what is said in the namespace, at the address of its server."""
    return Channel(
        "characterSessions", FAMILY, path, "The sessions that a client has joined.",
        sends=(
            Said("characterGenerationJoined", "CharacterJoined", JOINED),
            Said("characterGenerationProgress", "CharacterStep", EVENT),
            Said("characterGenerationCursor", "CharacterCursor", CURSOR),
        ),
        hears=(
            Said("joinCharacterGeneration", "CharacterJoin", JOIN, "CharacterAcknowledgement"),
            Said("leaveCharacterGeneration", "CharacterLeave", LEAVE, "CharacterAcknowledgement"),
        ),
        protocol=SOCKET_IO, namespace=NAMESPACE, auth={"type": "object", "properties": {"token": TEXT}},
    )  # fmt: skip


_GONE = {"success": False, "error": "the connection is closed"}


class CharacterSessions:
    """The namespace. Implements `Namespace`.

    Args:
        house: The inside of the gateway.
        feeds: Tells of each owner's characters: of a retried one there is more to tell.
    """

    name = NAMESPACE

    def __init__(self, house: House, feeds: OwnerFeeds) -> None:
        self._house = house
        self._feeds = feeds
        self._rooms: dict[str, set[CharacterSession]] = {}

    @property
    def events(self) -> Mapping[str, Handler]:
        """Joining and leaving sessions."""
        return {JOIN: self._join, LEAVE: self._leave}

    async def admit(self, headers: Headers, auth: dict[str, Any]) -> Visitor:
        """Tell who wants to come in; see `Namespace`."""
        return await visitor_of(self._house, headers, auth)

    async def arrived(self, client: Client) -> None:
        """Nothing is told before a session is joined."""
        client.keeps = _Sessions(client)
        client.on_end = lambda: self._gone(client)

    def _gone(self, client: Client) -> None:
        sessions = sessions_of(client)
        self._feeds.leave(client.visitor, sessions)
        for session in tuple(sessions.joined.values()):
            self._leave_room(session)

    def _leave_room(self, session: CharacterSession) -> None:
        room = self._rooms.get(session.room)
        if room is not None:
            room.discard(session)
            if not room:
                del self._rooms[session.room]

    async def _join(self, client: Client, request: Any) -> dict[str, Any]:
        sessions = sessions_of(client)
        try:
            wanted = request if isinstance(request, dict) else {}
            character_id = character_id_of(wanted.get("sessionId"))
            session = CharacterSession(client, character_id, wanted.get("after"))
            if character_id not in sessions.joined and len(sessions.joined) >= MOST_SESSIONS:
                raise ResourceExhausted(f"one connection hears of at most {MOST_SESSIONS} sessions: leave some")
            watch = await session.open()
        except FabulaError as error:
            return _refused(client, error)
        if client.ended:  # nobody would take it out of its room again
            watch.close()
            return _GONE
        if (before := sessions.joined.get(character_id)) is not None:
            self._leave_room(before)
        sessions.joined[character_id] = session
        self._rooms.setdefault(session.room, set()).add(session)
        try:
            await client.emit(JOINED, {"sessionId": wanted["sessionId"]})
        except ClientGone:
            watch.close()
            return _GONE
        session.begin(watch)
        if not client.ended:
            self._feeds.join(client.visitor, sessions)
        return {"success": True}

    async def _leave(self, client: Client, request: Any) -> dict[str, Any]:
        try:
            character_id = character_id_of(request.get("sessionId") if isinstance(request, dict) else None)
        except FabulaError as error:
            return _refused(client, error)
        if (session := sessions_of(client).joined.pop(character_id, None)) is not None:
            self._leave_room(session)
            client.stop(character_id)
        return {"success": True}

    def avatar_begun(self, owner: str, character_id: str) -> None:
        """Have everyone in a session's room hear of its new avatar."""
        for session in tuple(self._rooms.get(room_name(owner, character_id), ())):
            session.go_on_with_avatar()


def sessions_of(client: Client) -> _Sessions:
    """Return what a client of this namespace hears."""
    sessions = client.keeps
    assert isinstance(sessions, _Sessions)  # noqa: S101 - set when it arrived
    return sessions


class _Sessions:
    """What one client hears. Implements `Listener`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.joined: dict[str, CharacterSession] = {}

    def tell(self, news: News) -> None:
        """Go on with a session whose log has grown after its end, by a retry; see `Listener`."""
        session = self.joined.get(news.id) if news.goes_on else None
        if session is not None:
            session.go_on_to(news.last_sequence)

    def gone(self, told: Told) -> None:
        """Nothing: what was joined ends by itself; see `Listener`."""

    def listed(self, kind: str) -> None:
        """Nothing: these clients are told of what happens; see `Listener`."""

    def feed_ended(self, _error: FabulaError) -> None:
        """Have the client come back; see `Listener`."""
        self._client.send_away()


def _refused(client: Client, error: FabulaError) -> dict[str, Any]:
    problem = problem_of(error)
    client.house.metrics.errors.labels(DOOR, problem.code).inc()
    return {"success": False, "error": problem.message}
