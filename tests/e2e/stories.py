"""What the tests of the whole system ask for, over the gateway's REST door, and how they watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.e2e.observer import Observer
from tests.system import System

PREMISE = "A lighthouse keeper named Ida finds a letter in a bottle at Gull Point."


class Api:
    """The REST door of a system, as a program uses it.

    Args:
        system: Which one.
    """

    def __init__(self, system: System) -> None:
        self.http = httpx.AsyncClient(base_url=system.url, timeout=10, trust_env=False)

    async def start(self, **wishes: Any) -> str:
        """Ask for a story; return its id."""
        response = await self.http.post("/v1/stories", json={"premise": PREMISE, "seed": 7, **wishes})
        assert response.status_code == httpx.codes.ACCEPTED, response.text
        generation_id: str = response.json()["id"]
        return generation_id

    async def read(self, generation_id: str) -> Any:
        """Return a generation with all that is made so far."""
        response = await self.http.get(f"/v1/generations/{generation_id}")
        assert response.status_code == httpx.codes.OK, response.text
        return response.json()

    async def state(self, generation_id: str) -> str:
        """Return where it stands, e.g. "RUNNING"."""
        state: str = (await self.read(generation_id))["generation"]["state"]
        return state.removeprefix("STATE_")

    async def command(self, generation_id: str, verb: str, **fields: str) -> httpx.Response:
        """Cancel, pause, resume or retry; return the answer."""
        return await self.http.post(f"/v1/generations/{generation_id}:{verb}", json=fields or None)

    async def ids(self) -> list[str]:
        """Return all ids of the list, newest first."""
        found: list[str] = []
        token = ""
        while True:
            response = await self.http.get("/v1/stories", params={"pageSize": 100, "pageToken": token})
            assert response.status_code == httpx.codes.OK, response.text
            found += [generation["id"] for generation in response.json()["generations"]]
            if not (token := response.json()["nextPageToken"]):
                return found


@asynccontextmanager
async def api_of(system: System) -> AsyncIterator[Api]:
    """Open the REST door of a system."""
    api = Api(system)
    async with api.http:
        yield api


@asynccontextmanager
async def watching(observers: Iterable[Observer]) -> AsyncIterator[None]:
    """Have the observers watch while the block lasts, and beyond it to the end of the run."""
    async with asyncio.TaskGroup() as tasks:
        for observer in observers:
            tasks.create_task(observer.watch())
        yield
