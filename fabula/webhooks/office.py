"""Answers the rpcs of webhooks: registers addresses, and tells what was sent to them. Any server answers for all."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.engine.ports import Records
from fabula.errors import Conflict, InvalidRequest, ResourceExhausted, Superseded, Unavailable
from fabula.rpc.auth import Authenticator
from fabula.rpc.edge import Edge
from fabula.rpc.kinds import KINDS
from fabula.rpc.stores import CHANGES_TOO_FAST, RACES, Call
from fabula.webhooks.addresses import Rules
from fabula.webhooks.contract import WEBHOOKS
from fabula.webhooks.deliveries import Delivery, DeliveryBook, DeliveryState, delivery_id
from fabula.webhooks.messages import TEST_TYPE, delivery_message, payload, state_names, timestamp, webhook_message
from fabula.webhooks.registry import ASKED, ROTATION_SECONDS, Registry, Webhook, no_such_webhook
from fabula.webhooks.signing import new_secret
from fabula.webhooks.targets import target_of

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

TEST_SECONDS = 5
"""A webhook is sent one test in so many seconds, and a delivery by hand: it is no means to bother somebody with."""


class WebhookOffice:
    """Keeps the webhooks of callers.

    Args:
        records: Where.
        rules: What may be registered.
        kinds: Names of the generators that there are.
    """

    def __init__(self, records: Records, rules: Rules, kinds: Collection[str] = tuple(KINDS)) -> None:
        self._registry = Registry(records)
        self._book = DeliveryBook(records)
        self._rules = rules
        self._kinds = kinds

    def edge(self, auth: Authenticator) -> Edge:
        """Return its rpcs, ready for a server."""
        methods = {
            "CreateWebhook": self.create,
            "GetWebhook": self.get,
            "ListWebhooks": self.list,
            "DeleteWebhook": self.delete,
            "EnableWebhook": self.enable,
            "DisableWebhook": self.disable,
            "RotateSecret": self.rotate,
            "SendTest": self.test,
            "ListDeliveries": self.deliveries,
            "GetDelivery": self.delivery,
            "RetryDelivery": self.retry,
        }
        return Edge(WEBHOOKS, methods, {}, auth)

    async def create(self, call: Call, request: Any) -> Any:
        """CreateWebhook."""
        self._check(request)
        now = time.time()
        new = Webhook(
            id=f"webhook-{uuid.uuid4()}",
            url=request.url,
            created=now,
            secret=new_secret(),
            secret_created=now,
            description=request.description,
            kinds=tuple(request.kinds),
            states=state_names(request.states),
        )

        def added(webhooks: list[Webhook]) -> list[Webhook]:
            if len(webhooks) >= self._rules.most:
                raise ResourceExhausted(f"you have {len(webhooks)} webhooks, and may have no more: delete one first")
            return [*webhooks, new]

        await self._registry.rewrite(call.owner, added)
        return pb.CreateWebhookResponse(webhook=await self._message(call, new), secret=new.secret)

    async def get(self, call: Call, request: Any) -> Any:
        """GetWebhook."""
        webhook = await self._registry.get(call.owner, request.webhook_id)
        return pb.GetWebhookResponse(webhook=await self._message(call, webhook))

    async def list(self, call: Call, _request: Any) -> Any:
        """ListWebhooks."""
        webhooks = await self._registry.of(call.owner)
        return pb.ListWebhooksResponse(webhooks=[await self._message(call, webhook) for webhook in webhooks])

    async def delete(self, call: Call, request: Any) -> Any:
        """DeleteWebhook. What is to be sent is dropped by whoever would send it; what was sent is forgotten in time."""

        def removed(webhooks: list[Webhook]) -> list[Webhook]:
            left = [webhook for webhook in webhooks if webhook.id != request.webhook_id]
            if len(left) == len(webhooks):
                raise no_such_webhook(request.webhook_id)
            return left

        await self._registry.rewrite(call.owner, removed)
        await self._registry.forget_health(call.owner, request.webhook_id)
        return pb.DeleteWebhookResponse()

    async def enable(self, call: Call, request: Any) -> Any:
        """EnableWebhook. Its endpoint begins with a clean slate."""
        webhook = await self._registry.get(call.owner, request.webhook_id)
        if webhook.disabled:
            await self._registry.forget_health(call.owner, webhook.id)
            webhook = await self._registry.change(
                call.owner, webhook.id, lambda before: replace(before, disabled="", disabled_at=0.0)
            )
        return pb.EnableWebhookResponse(webhook=await self._message(call, webhook))

    async def disable(self, call: Call, request: Any) -> Any:
        """DisableWebhook."""
        webhook = await self._registry.disable(call.owner, request.webhook_id, ASKED)
        return pb.DisableWebhookResponse(webhook=await self._message(call, webhook))

    async def rotate(self, call: Call, request: Any) -> Any:
        """RotateSecret."""
        now, secret = time.time(), new_secret()

        def rotated(before: Webhook) -> Webhook:
            until = now + ROTATION_SECONDS
            return replace(before, secret=secret, secret_created=now, old_secret=before.secret, old_until=until)

        webhook = await self._registry.change(call.owner, request.webhook_id, rotated)
        return pb.RotateSecretResponse(webhook=await self._message(call, webhook), secret=secret)

    async def test(self, call: Call, request: Any) -> Any:
        """SendTest."""
        webhook = await self._registry.get(call.owner, request.webhook_id)
        now = time.time()
        id_ = delivery_id(webhook.id, TEST_TYPE, int(now // TEST_SECONDS))
        body = payload(TEST_TYPE, timestamp(now), {"webhookId": webhook.id})
        new = Delivery(
            id_, call.owner, webhook.id, TEST_TYPE, body, now, next=now, once=True, even_disabled=True
        )  # fmt: skip
        if not await self._book.add(new):
            raise ResourceExhausted(f"a test was sent a moment ago: one every {TEST_SECONDS} seconds")
        return pb.SendTestResponse(delivery=delivery_message(new))

    async def deliveries(self, call: Call, request: Any) -> Any:
        """ListDeliveries."""
        webhook = await self._registry.get(call.owner, request.webhook_id)
        found = _older_than(await self._book.of(call.owner, webhook.id), request.page_token)
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        token = _token(found[size - 1]) if len(found) > size else ""
        shown = [delivery_message(delivery) for delivery in found[:size]]
        return pb.ListDeliveriesResponse(deliveries=shown, next_page_token=token)

    async def delivery(self, call: Call, request: Any) -> Any:
        """GetDelivery."""
        webhook = await self._registry.get(call.owner, request.webhook_id)
        found, _ = await self._book.get(call.owner, webhook.id, request.delivery_id)
        return pb.GetDeliveryResponse(delivery=delivery_message(found))

    async def retry(self, call: Call, request: Any) -> Any:
        """RetryDelivery. One that is to be sent anyway is sent now."""
        webhook = await self._registry.get(call.owner, request.webhook_id)
        if webhook.disabled:
            raise Conflict("the webhook is disabled: enable it first")
        for _ in range(RACES):
            found, revision = await self._book.get(call.owner, webhook.id, request.delivery_id)
            now = time.time()
            if found.state is DeliveryState.PENDING and found.next <= now:
                return pb.RetryDeliveryResponse(delivery=delivery_message(found))
            rest = (await self._registry.health(call.owner, webhook.id)).resting_until - now
            if rest > 0:
                raise ResourceExhausted(f"its endpoint has asked to be left alone for {math.ceil(rest)} seconds more")
            if found.attempts and now < found.attempts[-1].time + TEST_SECONDS:
                raise ResourceExhausted(f"it was sent a moment ago: once every {TEST_SECONDS} seconds by hand")
            again = found.again(now, webhook.times_disabled)
            try:
                await self._book.write(again, after=revision)
            except Superseded:
                continue
            return pb.RetryDeliveryResponse(delivery=delivery_message(again))
        raise Unavailable(CHANGES_TOO_FAST)

    def _check(self, request: Any) -> None:
        target_of(request.url, self._rules)
        unknown = [kind for kind in request.kinds if kind not in self._kinds]
        if unknown:
            problem = f"there is no generator {unknown[0]!r}; there are: {', '.join(self._kinds)}"
            raise InvalidRequest(f"kinds: {problem}", (("kinds", problem),))
        if not request.description.isprintable():
            problem = "has characters that cannot be printed"
            raise InvalidRequest(f"description {problem}", (("description", problem),))

    async def _message(self, call: Call, webhook: Webhook) -> pb.Webhook:
        return webhook_message(webhook, await self._registry.health(call.owner, webhook.id))


def _token(delivery: Delivery) -> str:
    return f"{round(delivery.created * 1_000_000)}-{delivery.id}"


def _older_than(deliveries: list[Delivery], token: str) -> list[Delivery]:
    """Return what follows the page that gave this token. Raises `InvalidRequest`."""
    if not token:
        return deliveries
    micros, _, id_ = token.partition("-")
    if not (micros.isascii() and micros.isdigit() and len(micros) < 20):
        problem = "not a page token of this list: give the one that came with the page before"
        raise InvalidRequest(problem, (("page_token", problem),))
    return [each for each in deliveries if (round(each.created * 1_000_000), each.id) < (int(micros), id_)]
