"""What a dialect is: the native events in the words of one family of front ends. Pure.

A dialect knows no socket and no address. A door (a transport) asks for a translator when somebody begins to watch,
gives it each entry in order, and sends the payloads that it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.entries import SharedEntry


@dataclass(frozen=True, slots=True)
class Payload:
    """One message of a front end.

    Attributes:
        event: Its name, where the transport has names for events (server-sent events, Socket.IO); empty elsewhere.
        data: Its content, ready for JSON. Nobody may change it: all who watch share it.
    """

    event: str
    data: dict[str, Any]


class Translator(Protocol):
    """Translates the entries of one generation, in order."""

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Return what a front end is told of an entry; empty where its contract has no words for it."""
        ...


class Dialect(Protocol):
    """How one family of front ends is spoken to."""

    @property
    def name(self) -> str:
        """Names it among all there are."""
        ...

    @property
    def folds(self) -> bool:
        """Whether a translator needs the log from its first entry, even for a watcher who has the beginning."""
        ...

    def translator(self, generation_id: str) -> Translator:
        """Return a new translator."""
        ...
