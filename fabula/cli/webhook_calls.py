"""What the commands do that are about webhooks: any server of a generator answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fabula.api.generation.v1.generation_pb2 import State
from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.cli.connection import Server, Servers
from fabula.cli.exits import Exit
from fabula.cli.output import put, say
from fabula.cli.rendering import state_number
from fabula.cli.watching import to_json
from fabula.errors import InvalidRequest
from fabula.webhooks.contract import WEBHOOKS

TEST_SECONDS = 25.0
"""How long a test is waited for: a worker has to be there, and the endpoint may take fifteen seconds."""

LOOK_SECONDS = 0.2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebhookCommands:
    """The commands for webhooks.

    Attributes:
        servers: Where servers are.
        as_json: Whether programs read what is printed.
    """

    servers: Servers
    as_json: bool

    def add(self, url: str, kinds: Sequence[str], states: Sequence[str], description: str) -> Exit:
        """Register an address; print its id and its secret."""
        try:
            numbers: list[Any] = [state_number(name) for name in states]
        except (KeyError, ValueError):
            raise InvalidRequest("--state should be succeeded, failed or cancelled.") from None
        answer = self._call("CreateWebhook", url=url, kinds=kinds, states=numbers, description=description)
        put(to_json(answer) if self.as_json else f"{answer.webhook.id}\t{answer.secret}")
        say("Keep the secret, which is not shown again: requests are signed with it.", only_people=True)
        return Exit.SUCCESS

    def list(self) -> Exit:
        """List the caller's webhooks."""
        for webhook in self._call("ListWebhooks").webhooks:
            put(to_json(webhook) if self.as_json else "\t".join(_row(webhook)))
        return Exit.SUCCESS

    def remove(self, id_: str) -> Exit:
        """Remove a webhook."""
        answer = self._call("DeleteWebhook", webhook_id=id_)
        put(to_json(answer) if self.as_json else f"{id_}\tremoved")
        return Exit.SUCCESS

    def test(self, id_: str) -> Exit:
        """Have a test sent; print how it went."""
        delivery = self._ask(lambda server: _tested(server, id_))
        how = pb.DeliveryState.Name(delivery.state).removeprefix("DELIVERY_STATE_").lower()
        put(to_json(delivery) if self.as_json else f"{delivery.id}\t{how}\t{delivery.failure}")
        if delivery.state == pb.DELIVERY_STATE_PENDING:
            say("It was not sent yet: is there a worker?", only_people=True)
        return Exit.SUCCESS if delivery.state == pb.DELIVERY_STATE_DELIVERED else Exit.FAILED

    def _call(self, rpc: str, **fields: Any) -> Any:
        return self._ask(lambda server: server.call(rpc, **fields))

    def _ask(self, question: Callable[[Server], Awaitable[T]]) -> T:
        return self.servers.ask(self.servers.kinds[0], lambda server: question(server.beside(WEBHOOKS)))


async def _tested(server: Server, id_: str) -> pb.Delivery:
    delivery: pb.Delivery = (await server.call("SendTest", webhook_id=id_)).delivery
    deadline = asyncio.get_running_loop().time() + TEST_SECONDS
    while delivery.state == pb.DELIVERY_STATE_PENDING and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        delivery = (await server.call("GetDelivery", webhook_id=id_, delivery_id=delivery.id)).delivery
    return delivery


def _row(webhook: pb.Webhook) -> tuple[str, ...]:
    health = "disabled" if webhook.disabled else "failing" if webhook.HasField("failing_since") else "told"
    states = ",".join(State.Name(state).removeprefix("STATE_").lower() for state in webhook.states)
    return webhook.id, health, ",".join(webhook.kinds) or "all", states, webhook.url
