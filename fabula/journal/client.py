"""nats-py's client with a faster reading of headers: half of what a replayed log cost was spent there."""

from __future__ import annotations

from nats.aio.client import Client

from fabula.journal.stored import headers_of


class LeanClient(Client):
    """A client that reads header blocks as NATS servers write them.

    nats-py also looks for spaces and foreign characters inside of names, letter by letter. Our headers are our own
    and the server's. Should nats-py come to read headers otherwise, this is not called, and all is as slow as before.
    """

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        return headers_of(raw)
