"""What the commands do that ask a running system."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fabula.api.generation.v1.generation_pb2 import Generation, GenerationView, State
from fabula.api.story.v1.story_pb2 import StoryRequest, Template
from fabula.cli.connection import StoryServer, story_server
from fabula.cli.exits import Exit
from fabula.cli.rendering import STATE_STYLES, age, created, outline_lines, review_lines, standing, state_name
from fabula.cli.story import Wishes
from fabula.cli.watching import View, Watch, to_json, view_of
from fabula.errors import InvalidRequest, NotFound

LARGEST_PAGE = 100


class Commands:
    """The commands that ask the story server.

    Args:
        address: Where it is, if a flag says so.
        token: Who the user is, if a flag says so.
        as_json: Whether answers are printed as JSON.
    """

    def __init__(self, address: str | None, token: str | None, *, as_json: bool = False) -> None:
        self._address = address
        self._token = token
        self._json = as_json

    def tell(self, wishes: Wishes, template: str | None, request_id: str, *, watch: bool) -> Exit:
        """Start a story, and watch it."""

        async def start(server: StoryServer) -> Any:
            base = await _template(server, template) if template else None
            return await server.call("StartGeneration", request_id=request_id, story=wishes.over(base))

        answer = self._ask(start)
        id_ = answer.generation.id
        if watch:
            _say(f"{id_} (Ctrl-C leaves it running)", only_people=True)
            return self._watch(id_, 0, view_of(as_json=self._json))
        if self._json:
            _print(to_json(answer))
        else:
            _print(id_)
            _say(f"Watch it with: fabula watch {id_}")
        return Exit.SUCCESS

    def watch(self, id_: str, after: int) -> Exit:
        """Watch a story to the end of its run."""
        # An unknown id or a missing server is told at once.
        self._call("GetGeneration", generation_id=id_, view=GenerationView.GENERATION_VIEW_BASIC)
        return self._watch(id_, after, view_of(as_json=self._json))

    def _watch(self, id_: str, after: int, view: View) -> Exit:
        watch = Watch(id_, view, after)

        async def follow() -> Exit:
            async with story_server(self._address, self._token) as server:
                return await watch.follow(server.watch(id_, after))

        try:
            return asyncio.run(follow())
        except KeyboardInterrupt:
            _say(watch.how_to_come_back().rstrip())
            return Exit.DETACHED

    def list(self, states: Sequence[State.ValueType], limit: int) -> Exit:
        """List stories, newest first."""
        found: list[Generation] = []

        async def pages(server: StoryServer) -> None:
            token = ""
            while len(found) < limit:
                size = min(LARGEST_PAGE, limit - len(found))
                page = await server.call("ListGenerations", page_size=size, page_token=token, states=states)
                found.extend(page.generations)
                if not (token := page.next_page_token):
                    break

        self._ask(pages)
        if self._json:
            for generation in found:
                _print(to_json(generation))
        elif sys.stdout.isatty():
            _print_table(found)
        else:
            for generation in found:
                _print("\t".join(_row(generation, created(generation).isoformat(timespec="seconds"))))
        return Exit.SUCCESS

    def show(self, id_: str, *, outline: bool, reviews: bool) -> Exit:
        """Print a story, or its outline, or its reviews."""
        answer = self._call("GetGeneration", generation_id=id_)
        generation, story = answer.generation, answer.story
        if self._json:
            _print(to_json(answer))
            return Exit.SUCCESS
        _say(_headline(generation, story), only_people=True)
        if outline:
            if not story.HasField("outline"):
                raise NotFound(f"There is no outline of {id_} yet; it is {standing(generation)}.", id=id_)
            _print("\n".join(outline_lines(story.outline)))
        elif reviews:
            if not story.reviews:
                raise NotFound(f"There are no reviews of {id_} yet; it is {standing(generation)}.", id=id_)
            _print("\n".join(review_lines(story.reviews)))
        elif story.text:
            _print(story.text.rstrip("\n"))
        else:
            _say(f"Nothing is written yet; it is {standing(generation)}.")
        return Exit.SUCCESS

    def control(self, rpc: str, id_: str, **fields: str) -> Exit:
        """Cancel, pause, resume or retry."""
        answer = self._call(rpc, generation_id=id_, **fields)
        _print(to_json(answer) if self._json else f"{id_}\t{standing(answer.generation)}")
        return Exit.SUCCESS

    def delete(self, id_: str, *, sure: bool) -> Exit:
        """Delete a story and all it made."""
        if not sure:
            if not sys.stdin.isatty():
                raise InvalidRequest("Deleting asks first, and there is nobody to answer: add --yes.")
            import typer  # noqa: PLC0415 - only to ask

            if not typer.confirm(f"Delete {id_} and all it made?", err=True):
                return Exit.SUCCESS
        answer = self._call("DeleteGeneration", generation_id=id_)
        _print(to_json(answer) if self._json else f"{id_}\tdeleted")
        return Exit.SUCCESS

    def templates(self) -> Exit:
        """List the ready-made requests."""
        found: list[Template] = []

        async def gather(server: StoryServer) -> None:
            found.extend(await _templates(server))

        self._ask(gather)
        if self._json:
            for template in found:
                _print(to_json(template))
        elif sys.stdout.isatty():
            table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
            table.add_column("name", no_wrap=True, style="bold")
            table.add_column("what it is")
            for template in found:
                table.add_row(template.name, template.description)
            Console(highlight=False).print(table)
            _say('Use one with: fabula story --template NAME ["your own premise"]', only_people=True)
        else:
            for template in found:
                _print(f"{template.name}\t{template.description}")
        return Exit.SUCCESS

    def _call(self, rpc: str, **fields: Any) -> Any:
        async def call(server: StoryServer) -> Any:
            return await server.call(rpc, **fields)

        return self._ask(call)

    def _ask(self, question: Any) -> Any:
        async def ask() -> Any:
            async with story_server(self._address, self._token) as server:
                return await question(server)

        return asyncio.run(ask())


async def _templates(server: StoryServer) -> list[Template]:
    found: list[Template] = []
    token = ""
    while True:
        page = await server.call("ListTemplates", page_size=LARGEST_PAGE, page_token=token)
        found.extend(page.templates)
        if not (token := page.next_page_token):
            return found


async def _template(server: StoryServer, name: str) -> StoryRequest:
    templates = {template.name: template for template in await _templates(server)}
    if name not in templates:
        raise NotFound(f"There is no template {name!r}; there are: {', '.join(sorted(templates)) or 'none'}.")
    return templates[name].story


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _say(text: str, *, only_people: bool = False) -> None:
    if not only_people or sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(Text(text, "dim"), soft_wrap=True)


def _row(generation: Generation, when: str) -> tuple[str, ...]:
    percent = f"{int(generation.progress.fraction * 100)}%"
    return generation.id, standing(generation), percent, when, generation.title.replace("\t", " ").replace("\n", " ")


def _print_table(found: Sequence[Generation]) -> None:
    if not found:
        _say('No stories yet. Begin one with: fabula story "A keeper finds a door in the sea"')
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


def _headline(generation: Generation, story: Any) -> str:
    parts = [standing(generation)]
    if generation.state == State.STATE_RUNNING:
        parts.append(f"{int(generation.progress.fraction * 100)}%")
    if story.word_count:
        parts.append(f"{story.word_count} words")
    if story.model:
        parts.append(f"by {story.model}, seed {story.seed}")
    line = f"{generation.id}: {', '.join(parts)}"
    if generation.HasField("failure"):
        line += f"\nFailed: {generation.failure.message} [{generation.failure.code}]"
    return line
