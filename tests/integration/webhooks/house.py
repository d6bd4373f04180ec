"""A story server with webhooks, and workers that tell them, each of them started and stopped as a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import grpc

from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.engine.worker import WorkerSettings
from fabula.journal import Journal, JournalSettings, connect
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import STORY
from fabula.rpc.server import Listen
from fabula.runtime import Part, Stop, server, worker
from fabula.webhooks.addresses import Rules
from fabula.webhooks.contract import WEBHOOKS
from services.story.contract import StoryContract
from services.story.pipeline import StoryPipeline
from services.story.prompted import PromptedAuthor
from tests.integration.story.house import SECRET, User, free_port, running, token
from tests.integration.story.scripts import Script, ScriptedModel

LOOPBACK = Rules(networks=(ip_network("127.0.0.0/8"),), most=3)


@dataclass(frozen=True, slots=True)
class Owner:
    """A caller with webhooks.

    Attributes:
        user: The same, before the story service.
        client: To the service of webhooks.
    """

    user: User
    client: Client

    async def call(self, rpc: str, **fields: Any) -> Any:
        """Make a call."""
        return await self.client.call(rpc, WEBHOOKS.request(rpc)(**fields), self.user.caller)

    async def register(self, url: str, **fields: Any) -> tuple[str, str]:
        """Register an address; return the webhook's id and its secret."""
        answer = await self.call("CreateWebhook", url=url, **fields)
        return answer.webhook.id, answer.secret

    async def webhook(self, id_: str) -> pb.Webhook:
        """Read a webhook."""
        webhook: pb.Webhook = (await self.call("GetWebhook", webhook_id=id_)).webhook
        return webhook

    async def deliveries(self, id_: str) -> list[pb.Delivery]:
        """Return what was sent to a webhook, the newest first."""
        return list((await self.call("ListDeliveries", webhook_id=id_, page_size=100)).deliveries)

    async def settled(self, id_: str, state: int = pb.DELIVERY_STATE_DELIVERED, seconds: float = 20.0) -> pb.Delivery:
        """Wait until the newest delivery is in a state; return it."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.deliveries(id_)
                if found and found[0].state == state:
                    return found[0]
                await asyncio.sleep(0.02)


@dataclass(slots=True)
class House:
    """A server, and what stands behind it.

    Attributes:
        settings: How its processes reach the journal.
        journal: A journal of the test's own.
        model: What its workers write with.
    """

    settings: JournalSettings
    journal: Journal
    model: ScriptedModel
    port: int
    channel: grpc.aio.Channel
    rules: Rules

    def owner(self, name: str = "") -> Owner:
        """Return somebody new, unless named."""
        caller = Caller(token(name or f"owner {uuid4()}"))
        return Owner(User(Client(STORY, self.channel), caller), Client(WEBHOOKS, self.channel))

    def script(self, **fields: Any) -> Script:
        """Write a script for one story."""
        script = Script(uuid4().hex, **fields)
        self.model.scripts[script.name] = script
        return script

    def worker(self) -> AbstractAsyncContextManager[Stop]:
        """Run a worker while the block lasts."""
        return running(self.part(), self.settings)

    def part(self) -> Part:
        """Return a worker."""

        @asynccontextmanager
        async def open_pipeline() -> AsyncIterator[StoryPipeline]:
            yield StoryPipeline(PromptedAuthor(self.model))

        engine = WorkerSettings(slots=16, lease_seconds=1.0)
        return worker(StoryContract().codec, open_pipeline, engine, rules=self.rules)


@asynccontextmanager
async def open_house(nats_url: str, rules: Rules = LOOPBACK) -> AsyncIterator[House]:
    """Run a server with authentication, and no worker yet."""
    settings = JournalSettings(url=nats_url, name="test", lease_seconds=1.0, idle_check_seconds=0.2)
    listen = Listen(port=free_port(), drain_seconds=1.0)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(connect(settings))
        part = server(StoryContract(), listen, Authenticator(SECRET), Issuer(SECRET), rules=rules)
        await stack.enter_async_context(running(part, settings))
        channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{listen.port}"))
        await asyncio.wait_for(channel.channel_ready(), 10)
        yield House(settings, journal, ScriptedModel(), listen.port, channel, rules)
