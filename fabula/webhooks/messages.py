"""Webhooks and deliveries as messages and as what is sent. Pure."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from fabula.api.generation.v1 import generation_pb2
from fabula.api.webhook.v1 import webhook_pb2 as pb
from fabula.engine.events import State
from fabula.webhooks.deliveries import Delivery, DeliveryState
from fabula.webhooks.registry import Health, Webhook

TEST_TYPE = "webhook.test"

STATES = {
    State.SUCCEEDED: generation_pb2.STATE_SUCCEEDED,
    State.FAILED: generation_pb2.STATE_FAILED,
    State.CANCELLED: generation_pb2.STATE_CANCELLED,
}
"""The states that can be told of."""

_STATES_BACK = {number: state for state, number in STATES.items()}
_DELIVERY_STATES = {
    DeliveryState.PENDING: pb.DELIVERY_STATE_PENDING,
    DeliveryState.DELIVERED: pb.DELIVERY_STATE_DELIVERED,
    DeliveryState.FAILED: pb.DELIVERY_STATE_FAILED,
}


def state_names(numbers: Any) -> tuple[str, ...]:
    """Return the states of a request by their names; all of them where it names none."""
    return tuple(_STATES_BACK[number].value for number in numbers) or tuple(state.value for state in STATES)


def webhook_message(webhook: Webhook, health: Health) -> pb.Webhook:
    """Return a webhook as its owner may see it at any time: without its secret."""
    message = pb.Webhook(
        id=webhook.id,
        url=webhook.url,
        description=webhook.description,
        kinds=webhook.kinds,
        states=[STATES[State(name)] for name in webhook.states],
        create_time=timestamp(webhook.created),
        disabled=bool(webhook.disabled),
        disabled_reason=webhook.disabled,
        secret_time=timestamp(webhook.secret_created),
    )
    if webhook.disabled:
        message.disable_time.CopyFrom(timestamp(webhook.disabled_at))
    if health.succeeded:
        message.last_success_time.CopyFrom(timestamp(health.succeeded))
    if health.failing_since:
        message.failing_since.CopyFrom(timestamp(health.failing_since))
    return message


def delivery_message(delivery: Delivery) -> pb.Delivery:
    """Return a delivery as its owner sees it."""
    message = pb.Delivery(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        generation_id=delivery.generation_id,
        type=delivery.type,
        state=_DELIVERY_STATES[delivery.state],
        create_time=timestamp(delivery.created),
        failure=delivery.failure,
    )
    for attempt in delivery.attempts:
        message.attempts.add(
            time=timestamp(attempt.time),
            status=attempt.status,
            problem=attempt.problem,
            duration_ms=round(attempt.seconds * 1000),
        )
    if delivery.state is DeliveryState.PENDING:
        message.next_attempt_time.CopyFrom(timestamp(delivery.next))
    return message


def event_type(state: State) -> str:
    """Return what a request says has happened, e.g. "generation.succeeded"."""
    return f"generation.{state.value}"


def payload(type_: str, time: Timestamp, data: Message | dict[str, str]) -> str:
    """Return a request's body.

    Args:
        type_: What has happened.
        time: When it happened.
        data: What it happened to: as the REST answers show it, all fields.
    """
    if isinstance(data, Message):
        data = json_format.MessageToDict(data, always_print_fields_with_no_presence=True)
    content = {"type": type_, "timestamp": time.ToJsonString(), "data": data}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def timestamp(unix: float) -> Timestamp:
    """Return a Unix time as its message, to the microsecond."""
    time = Timestamp()
    time.FromMicroseconds(round(unix * 1_000_000))
    return time
