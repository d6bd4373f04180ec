"""What is told and heard over sockets, as data: declared beside the code, and read by the AsyncAPI document. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WEBSOCKET, SOCKET_IO = "ws", "socketio"
"""What is spoken."""


@dataclass(frozen=True, slots=True)
class Said:
    """One kind of message.

    Attributes:
        name: Unique among all, e.g. "workshopUpdate".
        schema: Name of its schema.
        event: Name of the event, where events have names.
        answer: Name of the schema of what answers it: the acknowledgement of Socket.IO; empty: nothing does.
    """

    name: str
    schema: str
    event: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """What is said at one address.

    Attributes:
        name: Unique name, e.g. "workshopProgress".
        family: Whose it is: a tag of both documents.
        address: Its path, with `{id}` and the like for what differs.
        summary: What it is for, in a line.
        sends: What the gateway says.
        hears: What a client may say.
        protocol: `WEBSOCKET` or `SOCKET_IO`.
        namespace: Of Socket.IO.
        parameters: What stands in the address, each with what it is.
        query: Schemas of what may stand behind the address.
        auth: Schema of the object with which a Socket.IO client connects.
    """

    name: str
    family: str
    address: str
    summary: str
    sends: tuple[Said, ...]
    hears: tuple[Said, ...] = ()
    protocol: str = WEBSOCKET
    namespace: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    query: dict[str, dict[str, Any]] = field(default_factory=dict)
    auth: dict[str, Any] | None = None
