"""The commands' way to the story server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fabula.errors import Unavailable
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import STORY
from fabula.settings import ClientSettings, load

WATCH_PATIENCE_SECONDS = 120.0
"""How long a watch that has begun looks for a server that is gone."""


class StoryServer:
    """Calls the story server on behalf of the user.

    Args:
        client: Speaks to it.
        caller: The user.
        address: Where it is, for messages.
    """

    def __init__(self, client: Client, caller: Caller, address: str) -> None:
        self._client = client
        self._caller = caller
        self._address = address

    async def call(self, rpc: str, **fields: Any) -> Any:
        """Make a single call; its request's fields are given by name. Raises `FabulaError` as the server meant it."""
        try:
            return await self._client.call(rpc, STORY.request(rpc)(**fields), self._caller)
        except Unavailable as error:
            raise self._told(error) from error

    def watch(self, generation_id: str, after_sequence: int) -> AsyncIterator[Any]:
        """Yield a generation's events to the end of its run, over as many connections as that takes."""
        request = STORY.request("WatchProgress")(generation_id=generation_id, after_sequence=after_sequence)
        return self._client.watch(request, self._caller, patience=WATCH_PATIENCE_SECONDS)

    def _told(self, error: Unavailable) -> Unavailable:
        """Return the error as it helps a person: a server that is not there is the usual case."""
        text = error.message.lower()
        if any(sign in text for sign in ("failed to connect", "connection refused", "name resolution", "dns")):
            what = "No story server answers"
        elif "deadline exceeded" in text:
            what = "The story server does not answer in time"
        else:
            return error
        return Unavailable(
            f"{what} at {self._address}. Start everything with `fabula up`, "
            "or name another server with --address or FABULA_STORY_ADDRESS.",
            address=self._address,
        )


@asynccontextmanager
async def story_server(address: str | None, token: str | None) -> AsyncIterator[StoryServer]:
    """Open the way to the story server that flags and environment name."""
    settings = load(ClientSettings, story_address=address, token=token)
    caller = Caller(settings.token.get_secret_value() if settings.token is not None else "")
    async with open_channel(settings.story_address) as channel:
        yield StoryServer(Client(STORY, channel), caller, settings.story_address)
