"""What `fabula up` runs beside the journal: commands, settings, and when each is ready."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from fabula.cli import health
from fabula.cli.ports import reached_at
from fabula.cli.supervisor import Service
from fabula.errors import Unavailable
from fabula.settings import UpSettings

STORY_SERVICE = "fabula.api.story.v1.StoryService"
PROBE_TIMEOUT_SECONDS = 2.0

KILL_AFTER_SECONDS = 5.0
"""How much longer than its drain time a process may take to end before it is killed."""


def services_of(settings: UpSettings, nats_url: str) -> tuple[Service, ...]:
    """Return what runs beside the journal, in the order of dependency."""
    story = reached_at(settings.story_host, settings.story_port)
    http = f"http://{reached_at(settings.http_host, settings.http_port)}"
    environment = {**settings.as_environment(), "FABULA_NATS_URL": nats_url, "FABULA_LOG_FORMAT": "json"}

    def service(name: str, ready: Callable[[], Awaitable[bool]], *module: str) -> Service:
        command = (sys.executable, "-m", *module)
        return Service(name, command, ready, environment, stop_seconds=settings.drain_seconds + KILL_AFTER_SECONDS)

    # The whole server serves when the journal answers; its story service when a worker is alive as well.
    return (
        service("story-server", _serves(story), "services.story", "server"),
        service("story-worker", _serves(story, STORY_SERVICE), "services.story", "worker"),
        service("gateway", _is_ok(f"{http}/readyz"), "gateway"),
    )


def _serves(address: str, service: str = "") -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            status = await asyncio.to_thread(health.ask_grpc, address, service, PROBE_TIMEOUT_SECONDS)
        except Unavailable:
            return False
        return status == "SERVING"

    return ready


def _is_ok(url: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            status, _ = await asyncio.to_thread(health.ask_http, url, PROBE_TIMEOUT_SECONDS)
        except Unavailable:
            return False
        return status == 200

    return ready
