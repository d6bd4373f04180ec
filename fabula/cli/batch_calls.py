"""Starting several generations that a file names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from fabula.cli.calls import Commands
from fabula.cli.connection import Server
from fabula.cli.exits import Exit
from fabula.cli.files import read_file
from fabula.cli.output import put, say
from fabula.cli.watching import to_json
from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.kinds import KINDS

LARGEST_MIB = 64
MOST_STARTS = 8
"""Generations that are being started at a time."""
FIELDS = {"kind", "request", "requestId"}


@dataclass(frozen=True, slots=True)
class Item:
    """One generation that is asked for: its kind, its request as proto3 JSON, and its idempotency key."""

    kind: str
    request: dict[str, Any]
    request_id: str


def items_of(text: str, request_id: str) -> list[Item]:
    """Return what a file asks for.

    Args:
        text: The body of `POST /v1/batches`, or its items: as a list, or one a line.
        request_id: Idempotency key of the whole; goes before the one in the file.

    Raises:
        InvalidRequest: it is neither.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = list(_lines(text))
    if isinstance(content, dict) and "items" in content:
        request_id = request_id or str(content.get("requestId", ""))
        content = content["items"]
    given = content if isinstance(content, list) else [content]
    return [_item(one, place, request_id) for place, one in enumerate(given)]


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InvalidRequest(f"Line {number} of the file is not JSON: {error.msg}.") from None


def _item(given: Any, place: int, request_id: str) -> Item:
    if not isinstance(given, dict) or set(given) - FIELDS or str(given.get("kind")) not in KINDS:
        fields, kinds = ", ".join(sorted(FIELDS)), ", ".join(KINDS)
        raise InvalidRequest(f"Item {place} of the batch should be an object of {fields}; kinds are {kinds}.")
    request = given.get("request", {})
    if not isinstance(request, dict):
        raise InvalidRequest(f"The request of item {place} of the batch should be an object.")
    own = str(given.get("requestId") or request.pop("requestId", ""))
    return Item(given["kind"], request, own or (f"{request_id}.{place}" if request_id else ""))


class BatchCommands(Commands):
    """The command `fabula batch`."""

    def batch(self, file: Path, request_id: str) -> Exit:
        """Start what a file asks for; print the ids in order, and say what could not be started."""
        text = read_file(file, "FILE", LARGEST_MIB)[1].decode(errors="replace")
        answers = asyncio.run(self._start_all(items_of(text, request_id)))
        for place, answer in enumerate(answers):
            if isinstance(answer, FabulaError):
                say(f"Item {place} was not started: {answer.message}")
            put(self._line(answer))
        return Exit.FAILED if any(isinstance(answer, FabulaError) for answer in answers) else Exit.SUCCESS

    def _line(self, answer: Any) -> str:
        if isinstance(answer, FabulaError):
            return json.dumps({"error": {"code": answer.code, "message": answer.message}}) if self.as_json else "-"
        return to_json(answer) if self.as_json else str(answer.generation.id)

    async def _start_all(self, items: Sequence[Item]) -> list[Any]:
        turns = asyncio.Semaphore(MOST_STARTS)
        async with AsyncExitStack() as stack:
            kinds = sorted({item.kind for item in items})
            servers = {kind: await stack.enter_async_context(self.servers.to(KINDS[kind])) for kind in kinds}
            return await asyncio.gather(*(_start(servers[item.kind], item, turns) for item in items))


async def _start(server: Server, item: Item, turns: asyncio.Semaphore) -> Any:
    """Start one; return the answer, or why there is none."""
    asked = getattr(server.kind.request("StartGeneration")(), item.kind)
    async with turns:
        try:
            json_format.ParseDict(item.request, asked)
            return await server.call("StartGeneration", request_id=item.request_id, **{item.kind: asked})
        except json_format.ParseError as error:
            return InvalidRequest(f"its request cannot be read: {error}")
        except FabulaError as error:
            return error
