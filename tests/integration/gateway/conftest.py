"""A gateway under its real server, before a story service that serves scripted logs."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright

from fabula.settings import GatewaySettings, load
from gateway.app import open_house
from gateway.house import House
from gateway.server import DrainingServer
from tests.integration.gateway.clients import Gateway
from tests.scripted_service import ScriptedImages, ScriptedServer, ScriptedStories, until
from tests.system import free_port

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), "")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenGateway = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A story service and an image service, without authentication."""
    running = ScriptedServer(ScriptedStories(), ScriptedImages())
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def stories(server: ScriptedServer) -> ScriptedStories:
    """What the story service serves."""
    return server.stories


@pytest.fixture
def images(server: ScriptedServer) -> ScriptedImages:
    """What the image service serves."""
    assert server.images is not None
    return server.images


@asynccontextmanager
async def running_gateway(address: str, *, plain: bool = False, **settings: object) -> AsyncIterator[Gateway]:
    """Run a gateway before the services at this address while the block lasts; plain: under uvicorn's own protocol."""
    places = {"story_address": address, "image_address": address, "http_port": free_port()}
    scripted = {"generators": ("story", "image"), "drain_seconds": 2.0}
    values: dict[str, object] = {**places, **scripted, **settings}
    async with open_house(load(GatewaySettings, **values)) as house, asyncio.TaskGroup() as tasks:
        server = DrainingServer(house)
        if plain:
            server.config.ws = "websockets-sansio"
        serving = tasks.create_task(server.serve())
        await until(lambda: server.started)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.settings.http_port}", timeout=20) as http:
            yield Gateway(house, server, http)
        server.stop()
        await serving


@pytest.fixture
def open_gateway() -> OpenGateway:
    """Run a gateway with settings of the test's own."""
    return running_gateway


@pytest.fixture
async def gateway(server: ScriptedServer) -> AsyncIterator[Gateway]:
    """A gateway with default settings."""
    async with running_gateway(server.address) as running:
        yield running


@pytest.fixture
def house(gateway: Gateway) -> House:
    """The inside of the gateway."""
    return gateway.house


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that fails the test if a script of it fails."""
    opened = await browser.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    yield opened
    assert [] == failures
