"""What the journal must be told: where NATS is and how long to wait for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How to reach the journal and how it behaves.

    Attributes:
        url: One or several server addresses, separated by commas; a user, password or token may stand in them.
        name: The connection's name, as the NATS server's monitoring shows it.
        replicas: Copies that a cluster keeps of every stream: 1 on a single server, else 3 or 5. Used when a stream
            is made; one that exists keeps its number.
        lease_seconds: A job that is neither renewed, done nor given back for so long is handed out again. The same
            in every process of an installation.
        owner_running: Most jobs of one owner, of each kind, that all workers together have at a time; 0: any number.
            The same in every process of an installation.
        answer_seconds: How long any call waits for the store before it raises `Unavailable`.
        connect_seconds: How long the first connection may take.
        reconnect_seconds: Pause between two attempts to reconnect; they never end.
        idle_check_seconds: How often a follower that hears nothing looks into the log itself.
        queue_info_seconds: How old the numbers behind `position` and `depth` may be.
    """

    url: str = "nats://127.0.0.1:4222"
    name: str = "fabula"
    replicas: int = 1
    lease_seconds: float = 2.0
    owner_running: int = 0
    answer_seconds: float = 4.0
    connect_seconds: float = 5.0
    reconnect_seconds: float = 0.1
    idle_check_seconds: float = 2.0
    queue_info_seconds: float = 1.0
