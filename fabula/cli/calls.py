"""What the commands do that ask a running system, whatever the kind of generation."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fabula.api.generation.v1.generation_pb2 import GenerationView, State
from fabula.cli.connection import Servers, kind_behind
from fabula.cli.exits import Exit
from fabula.cli.faces import face_of
from fabula.cli.listing import list_generations, show_list
from fabula.cli.output import put, say
from fabula.cli.rendering import standing
from fabula.cli.watching import View, Watch, to_json, view_of
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import KINDS, Kind


@dataclass(frozen=True, slots=True)
class Followed:
    """How watching ended.

    Attributes:
        code: As an exit code.
        last: The response that ended the run; None if the watcher left.
    """

    code: Exit
    last: Any


class Commands:
    """The commands that all kinds have in common. A kind's own are in classes that derive from this one.

    Args:
        servers: Where to ask.
        as_json: Whether answers are printed as JSON.
    """

    def __init__(self, servers: Servers, *, as_json: bool = False) -> None:
        self.servers = servers
        self.as_json = as_json

    def started(self, answer: Any) -> Exit:
        """Print what was started and is not watched."""
        id_ = answer.generation.id
        if self.as_json:
            put(to_json(answer))
        else:
            put(id_)
            say(f"Watch it with: fabula watch {id_}")
        return Exit.SUCCESS

    def watch(self, id_: str, after: int) -> Exit:
        """Watch a generation to the end of its run."""
        self.look(id_)
        return self.follow(id_, view_of(face_of(id_), as_json=self.as_json), after).code

    def print(self, id_: str) -> Exit:
        """Print all that is known of a generation, as JSON: of a kind for which there are no words here."""
        put(to_json(self.call("GetGeneration", id_)))
        return Exit.SUCCESS

    def look(self, id_: str) -> Any:
        """Return a generation in short. An unknown id or a missing server is told at once, not watched for."""
        return self.call("GetGeneration", id_, view=GenerationView.GENERATION_VIEW_BASIC)

    def follow(
        self, id_: str, view: View, after: int = 0, options: str = "", *, wait_for_start: bool = False
    ) -> Followed:
        """Show a generation to the end of its run, or until Ctrl-C.

        Args:
            id_: Which one.
            view: Shows it.
            after: The last event that the watcher has.
            options: What to give again to come back.
            wait_for_start: Whether one that has not begun yet is waited for.
        """
        watch = Watch(id_, view, after)

        async def follow() -> Exit:
            async with self.servers.to(kind_behind(id_)) as server:
                return await watch.follow(server.watch(id_, after, wait_for_start=wait_for_start))

        try:
            return Followed(asyncio.run(follow()), watch.last)
        except KeyboardInterrupt:
            say(watch.how_to_come_back(options).rstrip())
            return Followed(Exit.DETACHED, None)

    def list(self, kind: str, states: Sequence[State.ValueType], limit: int) -> Exit:
        """List generations of a kind, or of "all", newest first."""
        kinds = self.servers.kinds if kind == "all" else [KINDS[kind]]
        show_list(list_generations(self.servers, kinds, states, limit), as_json=self.as_json)
        return Exit.SUCCESS

    def control(self, rpc: str, id_: str, **fields: str) -> Exit:
        """Cancel, pause, resume or retry."""
        answer = self.call(rpc, id_, **fields)
        put(to_json(answer) if self.as_json else f"{id_}\t{standing(answer.generation)}")
        return Exit.SUCCESS

    def delete(self, id_: str, *, sure: bool) -> Exit:
        """Delete a generation and all it made."""
        if not sure:
            if not sys.stdin.isatty():
                raise InvalidRequest("Deleting asks first, and there is nobody to answer: add --yes.")
            import typer  # noqa: PLC0415 - only to ask

            if not typer.confirm(f"Delete {id_} and all it made?", err=True):
                return Exit.SUCCESS
        answer = self.call("DeleteGeneration", id_)
        put(to_json(answer) if self.as_json else f"{id_}\tdeleted")
        return Exit.SUCCESS

    def call(self, rpc: str, id_: str, **fields: Any) -> Any:
        """Make a single call about a generation, to the server of its kind."""
        return self.ask(kind_behind(id_), rpc, generation_id=id_, **fields)

    def ask(self, kind: Kind, rpc: str, **fields: Any) -> Any:
        """Make a single call to the server of a kind."""
        return self.servers.ask(kind, lambda server: server.call(rpc, **fields))
