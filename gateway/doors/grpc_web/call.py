"""One call, as those see it who carry it out."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

from fabula.rpc.client import Caller
from gateway.doors.grpc_web.answer import Answer
from gateway.identity import Visitor


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        scope: ASGI's.
        visitor: Who calls.
        data: Its message.
        deadline: When the caller gives up, by the event loop's clock; None: never.
        answer: Where its answer goes.
    """

    scope: Scope
    visitor: Visitor
    data: bytes
    deadline: float | None
    answer: Answer

    @property
    def caller(self) -> Caller:
        """On whose behalf a service is called, and for how long."""
        return Caller(self.visitor.caller.token, self.visitor.caller.trace, self.deadline)
