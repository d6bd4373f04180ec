"""The commands' way to the servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fabula.errors import NotFound, Unavailable
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import KINDS, Kind, kind_of
from fabula.rpc.tls import tls_of
from fabula.settings import ClientSettings, load

WATCH_PATIENCE_SECONDS = 120.0
"""How long a watch that has begun looks for a server that is gone."""

T = TypeVar("T")


class Server:
    """Calls a generator's server on behalf of the user.

    Args:
        client: Speaks to it.
        caller: The user.
        address: Where it is, for messages.
        name: What it is, for messages; empty: what it generates.
    """

    def __init__(self, client: Client, caller: Caller, address: str, name: str = "") -> None:
        self._client = client
        self._caller = caller
        self._address = address
        self._name = name or client.kind.name

    @property
    def kind(self) -> Kind:
        """What it generates."""
        return self._client.kind

    async def call(self, rpc: str, **fields: Any) -> Any:
        """Make a single call; its request's fields are given by name. Raises `FabulaError` as the server meant it."""
        try:
            return await self._client.call(rpc, self.kind.request(rpc)(**fields), self._caller)
        except Unavailable as error:
            raise self._told(error) from error

    def beside(self, kind: Kind) -> Server:
        """Return another service of the same server."""
        return Server(self._client.beside(kind), self._caller, self._address, self._name)

    def watch(
        self, generation_id: str, after_sequence: int, *, wait_for_start: bool = False
    ) -> AsyncGenerator[Any, None]:
        """Yield a generation's events to the end of its run, over as many connections as that takes."""
        request = self.kind.request("WatchProgress")(
            generation_id=generation_id, after_sequence=after_sequence, wait_for_start=wait_for_start
        )
        return self._client.watch(request, self._caller, patience=WATCH_PATIENCE_SECONDS)

    async def stream(self, rpc: str, **fields: Any) -> AsyncGenerator[Any, None]:
        """Make a streaming call and yield its responses. Raises as `call`."""
        response = self.kind.response(rpc)
        try:
            async for data in self._client.stream(rpc, self.kind.request(rpc)(**fields), self._caller):
                yield response.FromString(data)
        except Unavailable as error:
            raise self._told(error) from error

    def _told(self, error: Unavailable) -> Unavailable:
        """Return the error as it helps a person: a server that is not there is the usual case."""
        text, name = error.message.lower(), self._name
        if any(sign in text for sign in ("failed to connect", "connection refused", "name resolution", "dns")):
            what = f"No {name} server answers"
        elif "deadline exceeded" in text:
            what = f"The {name} server does not answer in time"
        else:
            return error
        return Unavailable(
            f"{what} at {self._address}. Start everything with `fabula up`, "
            f"or name another server with --address or FABULA_{name.upper()}_ADDRESS.",
            address=self._address,
        )


class Servers:
    """The servers that flags and environment name.

    Args:
        address: Where the server is, if a flag says so: that of whatever kind is asked.
        token: Who the user is, if a flag says so.
    """

    def __init__(self, address: str | None, token: str | None) -> None:
        self._address = address
        self._token = token

    def elsewhere(self) -> Servers:
        """Return the way to servers of other kinds than the one that the flag names, for the same user."""
        return Servers(None, self._token)

    @property
    def kinds(self) -> list[Kind]:
        """The generators of the installation."""
        settings = load(ClientSettings)
        return [kind for kind in KINDS.values() if settings.has(kind.name)]

    @asynccontextmanager
    async def to(self, kind: Kind) -> AsyncIterator[Server]:
        """Open the way to the server of a kind."""
        settings = load(ClientSettings, token=self._token)
        address = self._address or settings.address_of(kind.name)
        caller = Caller(settings.token.get_secret_value() if settings.token is not None else "")
        async with open_channel(address, tls_of(settings)) as channel:
            yield Server(Client(kind, channel), caller, address)

    def ask(self, kind: Kind, question: Callable[[Server], Awaitable[T]]) -> T:
        """Ask the server of a kind, and return its answer."""

        async def ask() -> T:
            async with self.to(kind) as server:
                return await question(server)

        return asyncio.run(ask())


def kind_behind(generation_id: str) -> Kind:
    """Return the kind that an id says it is of. Raises `NotFound` for what is no id of ours."""
    kind = kind_of(generation_id)
    if kind is None:
        raise NotFound("there is no such generation", id=generation_id)
    return kind
