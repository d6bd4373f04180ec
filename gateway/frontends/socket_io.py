"""Opens the addresses and the Socket.IO servers of families B and C, as far as their generators are there."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.rpc.kinds import CHARACTER, STORY
from gateway.channels import Channel
from gateway.doors.socket_io.door import SocketIoDoor
from gateway.frontends.character_addresses import CharacterAddresses
from gateway.frontends.character_sessions import CharacterSessions, character_channel
from gateway.frontends.story_addresses import StoryAddresses
from gateway.frontends.story_rooms import StoryRooms, story_channel
from gateway.house import House
from gateway.operations import Operation

STORIES_PATH = "/socket.io"
CHARACTERS_PATH = "/api/v1/ws"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened.

    Attributes:
        doors: The Socket.IO servers.
        operations: What is done at the addresses.
        channels: What is said on the sockets.
    """

    doors: tuple[SocketIoDoor, ...]
    operations: tuple[Operation, ...]
    channels: tuple[Channel, ...]


def open_socket_io(house: House) -> Opened:
    """Open them."""
    doors: list[SocketIoDoor] = []
    operations: list[Operation] = []
    channels: list[Channel] = []
    if STORY.name in house.clients:
        door = SocketIoDoor(house, house.doorkeeper.rule, STORIES_PATH)
        door.serve(StoryRooms(house, house.feeds.of(STORY.name)))
        doors.append(door)
        channels.append(story_channel(STORIES_PATH))
        operations += StoryAddresses(house).operations()
    if CHARACTER.name in house.clients:
        door = SocketIoDoor(house, house.doorkeeper.rule, CHARACTERS_PATH)
        sessions = CharacterSessions(house, house.feeds.of(CHARACTER.name))
        door.serve(sessions)
        doors.append(door)
        channels.append(character_channel(CHARACTERS_PATH))
        operations += CharacterAddresses(house, sessions.avatar_begun).operations()
    return Opened(tuple(doors), tuple(operations), tuple(channels))
