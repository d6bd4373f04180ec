"""What is said on the plain WebSockets of families A and E beside how far the work is. Pure."""

from __future__ import annotations

from gateway.channels import Said
from gateway.doors.client_messages import QUIET
from gateway.payloads.schema import CURSOR, TEXT, Schema, record, wishes, words

PLAIN_QUERY: dict[str, Schema] = {"after": CURSOR, "ticket": {**TEXT, "description": "Instead of a token; good once."}}
"""What may stand behind their addresses."""


def said_to_clients(name: str) -> tuple[Said, ...]:
    """Return what the gateway answers to what clients say there."""
    return Said(f"{name}Pong", "SocketPong"), Said(f"{name}Advice", "SocketAdvice")


SCHEMAS: dict[str, Schema] = {
    "SocketPing": wishes(
        {"type": words("ping", *sorted(QUIET))},
        "Nothing needs to be said. A ping is answered, signs of life are not; anything else is answered by an error.",
        required=["type"],
    ),
    "SocketPong": record({"type": words("pong")}, description="Answers a ping."),
    "SocketAdvice": record(
        {"type": words("error"), "code": words("INVALID_REQUEST"), "message": TEXT},
        description="Answers what is not understood.",
    ),
}
