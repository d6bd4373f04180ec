"""Opens the addresses and the Socket.IO servers of families B and C, as far as their generators are there."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.routing import BaseRoute

from fabula.rpc.kinds import CHARACTER, STORY
from gateway.doors.socket_io.door import SocketIoDoor
from gateway.frontends.character_addresses import CharacterAddresses
from gateway.frontends.character_sessions import CharacterSessions
from gateway.frontends.story_addresses import StoryAddresses
from gateway.frontends.story_rooms import StoryRooms
from gateway.house import House

STORIES_PATH = "/socket.io"
CHARACTERS_PATH = "/api/v1/ws"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened.

    Attributes:
        doors: The Socket.IO servers.
        routes: The addresses.
    """

    doors: tuple[SocketIoDoor, ...]
    routes: tuple[BaseRoute, ...]


def open_socket_io(house: House) -> Opened:
    """Open them."""
    doors: list[SocketIoDoor] = []
    routes: list[BaseRoute] = []
    if STORY.name in house.clients:
        door = SocketIoDoor(house, house.doorkeeper.rule, STORIES_PATH)
        door.serve(StoryRooms(house, house.feeds.of(STORY.name)))
        doors.append(door)
        routes += StoryAddresses(house).routes()
    if CHARACTER.name in house.clients:
        door = SocketIoDoor(house, house.doorkeeper.rule, CHARACTERS_PATH)
        sessions = CharacterSessions(house, house.feeds.of(CHARACTER.name))
        door.serve(sessions)
        doors.append(door)
        routes += CharacterAddresses(house, sessions.avatar_begun).routes()
    return Opened(tuple(doors), tuple(routes))
