"""Reading server-sent events (WHATWG HTML, section 9.2.6), of which only `data` matters here. Pure."""

from __future__ import annotations

_LONGEST_EVENT_BYTES = 4 * 2**20


class EventTooLong(ValueError):
    """An event is longer than any answer's piece could be: this is no stream of events."""


class EventDecoder:
    """Cuts a stream of bytes into the data of its events, however the network has chopped it.

    Lines end with a line feed, with or without a carriage return before it. (Splitting at every line break that
    Unicode knows would cut a text in which one stands.)
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[str]:
        """Return the data of the events that are complete now.

        Raises:
            EventTooLong: an event does not end.
            UnicodeDecodeError: an event is not UTF-8.
        """
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) + sum(map(len, self._data)) > _LONGEST_EVENT_BYTES:
            raise EventTooLong
        events = [self._take(line.removesuffix(b"\r")) for line in lines]
        return [event for event in events if event is not None]

    def finish(self) -> str | None:
        """Return the data of an event whose empty line was left out at the very end, as some servers do."""
        self._take(self._rest.removesuffix(b"\r"))
        self._rest = b""
        return self._take(b"")

    def _take(self, line: bytes) -> str | None:
        if line:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            return None
        data, self._data = self._data, []
        return b"\n".join(data).decode() if data else None
