"""Generations as a list: of one kind or of several, newest first."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fabula.api.generation.v1.generation_pb2 import Generation, State
from fabula.cli.connection import Server, Servers
from fabula.cli.output import put, say
from fabula.cli.rendering import STATE_STYLES, age, created, standing, state_name
from fabula.cli.watching import to_json
from fabula.errors import FabulaError
from fabula.rpc.kinds import Kind

LARGEST_PAGE = 100


def list_generations(
    servers: Servers, kinds: Sequence[Kind], states: Sequence[State.ValueType], limit: int
) -> list[Generation]:
    """Return generations of these kinds, newest first.

    Of several kinds, those whose server does not answer are left out, and people are told so.

    Raises:
        FabulaError: no server answers, or one refuses.
    """

    async def everything() -> list[list[Generation] | FabulaError]:
        return list(await asyncio.gather(*(_of_kind(servers, kind, states, limit) for kind in kinds)))

    answers = asyncio.run(everything())
    failures = [answer for answer in answers if isinstance(answer, FabulaError)]
    if len(failures) == len(answers) or any(not failure.retryable for failure in failures):
        raise failures[0]
    for failure in failures:
        say(failure.message, only_people=True)
    found = [generation for answer in answers if not isinstance(answer, FabulaError) for generation in answer]
    return sorted(found, key=created, reverse=True)[:limit]


async def _of_kind(
    servers: Servers, kind: Kind, states: Sequence[State.ValueType], limit: int
) -> list[Generation] | FabulaError:
    try:
        async with servers.to(kind) as server:
            return await _pages(server, states, limit)
    except FabulaError as error:
        return error


async def _pages(server: Server, states: Sequence[State.ValueType], limit: int) -> list[Generation]:
    found: list[Generation] = []
    token = ""
    while len(found) < limit:
        size = min(LARGEST_PAGE, limit - len(found))
        page = await server.call("ListGenerations", page_size=size, page_token=token, states=states)
        found.extend(page.generations)
        if not (token := page.next_page_token):
            break
    return found


def show_list(found: Sequence[Generation], *, as_json: bool) -> None:
    """Print generations: for programs, for people, or as lines with tabs."""
    if as_json:
        for generation in found:
            put(to_json(generation))
    elif sys.stdout.isatty():
        _print_table(found)
    else:
        for generation in found:
            put("\t".join(_row(generation, created(generation).isoformat(timespec="seconds"))))


def _row(generation: Generation, when: str) -> tuple[str, ...]:
    percent = f"{int(generation.progress.fraction * 100)}%"
    return generation.id, standing(generation), percent, when, generation.title.replace("\t", " ").replace("\n", " ")


def _print_table(found: Sequence[Generation]) -> None:
    if not found:
        say('Nothing yet. Begin with: fabula story "A keeper finds a door in the sea"')
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(no_wrap=True)
    now = datetime.now(UTC)
    for generation in found:
        id_, state, percent, when, title = _row(generation, age(created(generation), now))
        style = STATE_STYLES.get(state_name(generation.state), "")
        name = Text(title or "(no title)", "bold")
        # Title and id share a column, so that both can be read on a terminal of 80 columns.
        name.truncate(max(len(id_), console.width - 40), overflow="ellipsis")
        table.add_row(Text.assemble(name, "\n", (id_, "dim")), Text(state, style), percent, when)
    console.print(table)
