"""What `fabula up` runs beside the journal: commands, settings, and when each is ready."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from fabula.cli import health
from fabula.cli.ports import choose_free, reached_at
from fabula.cli.supervisor import Service
from fabula.errors import Unavailable
from fabula.settings import UpSettings

STORY_SERVICE = "fabula.api.story.v1.StoryService"
PROBE_TIMEOUT_SECONDS = 2.0

KILL_AFTER_SECONDS = 5.0
"""How much longer than its drain time a process may take to end before it is killed."""


Check = Callable[[], Awaitable[bool]]


def services_of(settings: UpSettings, nats_url: str) -> tuple[Service, ...]:
    """Return what runs beside the journal, in the order of dependency."""
    story = reached_at(settings.story_host, settings.story_port)
    http = f"http://{reached_at(settings.http_host, settings.http_port)}"
    worker_port = settings.worker_port or choose_free(settings.worker_host)
    worker = reached_at(settings.worker_host, worker_port)
    environment = {
        **settings.as_environment(),
        "FABULA_NATS_URL": nats_url,
        "FABULA_WORKER_PORT": str(worker_port),
        "FABULA_LOG_FORMAT": "json",
    }

    def service(name: str, ready: Check, *module: str) -> Service:
        command = (sys.executable, "-m", *module)
        return Service(name, command, ready, environment, stop_seconds=settings.drain_seconds + KILL_AFTER_SECONDS)

    # The whole server serves when the journal answers; its story service when a worker is alive as well. That it goes
    # on to say so for seconds after a worker's death is why the worker is asked itself.
    return (
        service("story-server", _serves(story), "services.story", "server"),
        service("story-worker", _both(_serves(worker), _serves(story, STORY_SERVICE)), "services.story", "worker"),
        service("gateway", _is_ok(f"{http}/readyz"), "gateway"),
    )


def _serves(address: str, service: str = "") -> Check:
    async def ready() -> bool:
        try:
            status = await asyncio.to_thread(health.ask_grpc, address, service, PROBE_TIMEOUT_SECONDS)
        except Unavailable:
            return False
        return status == "SERVING"

    return ready


def _both(first: Check, second: Check) -> Check:
    async def ready() -> bool:
        return await first() and await second()

    return ready


def _is_ok(url: str) -> Check:
    async def ready() -> bool:
        try:
            status, _ = await asyncio.to_thread(health.ask_http, url, PROBE_TIMEOUT_SECONDS)
        except Unavailable:
            return False
        return status == 200

    return ready
