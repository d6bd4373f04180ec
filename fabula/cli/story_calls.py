"""What the commands do that are about stories."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fabula.api.generation.v1.generation_pb2 import Generation, State
from fabula.api.story.v1.story_pb2 import StoryRequest, Template
from fabula.cli.calls import Commands
from fabula.cli.connection import Server
from fabula.cli.exits import Exit
from fabula.cli.faces import FACES
from fabula.cli.listing import LARGEST_PAGE
from fabula.cli.output import put, say
from fabula.cli.rendering import outline_lines, review_lines, standing
from fabula.cli.saving import save
from fabula.cli.story import Wishes
from fabula.cli.watching import to_json, view_of
from fabula.errors import NotFound
from fabula.rpc.kinds import STORY


class StoryCommands(Commands):
    """The commands for stories."""

    def tell(self, wishes: Wishes, template: str | None, request_id: str, *, watch: bool) -> Exit:
        """Start a story, and watch it."""

        async def start(server: Server) -> Any:
            base = await _template(server, template) if template else None
            return await server.call("StartGeneration", request_id=request_id, story=wishes.over(base))

        answer = self.servers.ask(STORY, start)
        if not watch:
            return self.started(answer)
        id_ = answer.generation.id
        say(f"{id_} (Ctrl-C leaves it running)", only_people=True)
        return self.follow(id_, view_of(FACES["story"], as_json=self.as_json)).code

    def show(self, id_: str, *, outline: bool, reviews: bool, output: Path | None = None, force: bool = False) -> Exit:
        """Print a story, or its outline, or its reviews; or save it."""
        answer = self.call("GetGeneration", id_)
        generation, story = answer.generation, answer.story
        if self.as_json:
            put(to_json(answer))
            return Exit.SUCCESS
        say(_headline(generation, story), only_people=True)
        if outline:
            if not story.HasField("outline"):
                raise NotFound(f"There is no outline of {id_} yet; it is {standing(generation)}.", id=id_)
            put("\n".join(outline_lines(story.outline)))
        elif reviews:
            if not story.reviews:
                raise NotFound(f"There are no reviews of {id_} yet; it is {standing(generation)}.", id=id_)
            put("\n".join(review_lines(story.reviews)))
        elif story.text and output is not None:
            save(output, story.text.encode(), force=force)
            put(str(output))
        elif story.text:
            put(story.text.rstrip("\n"))
        else:
            say(f"Nothing is written yet; it is {standing(generation)}.")
        return Exit.SUCCESS

    def templates(self) -> Exit:
        """List the ready-made requests."""
        found = self.servers.ask(STORY, _templates)
        if self.as_json:
            for template in found:
                put(to_json(template))
        elif sys.stdout.isatty():
            table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
            table.add_column("name", no_wrap=True, style="bold")
            table.add_column("what it is")
            for template in found:
                table.add_row(template.name, template.description)
            Console(highlight=False).print(table)
            say('Use one with: fabula story --template NAME ["your own premise"]', only_people=True)
        else:
            for template in found:
                put(f"{template.name}\t{template.description}")
        return Exit.SUCCESS


async def _templates(server: Server) -> list[Template]:
    found: list[Template] = []
    token = ""
    while True:
        page = await server.call("ListTemplates", page_size=LARGEST_PAGE, page_token=token)
        found.extend(page.templates)
        if not (token := page.next_page_token):
            return found


async def _template(server: Server, name: str) -> StoryRequest:
    templates = {template.name: template for template in await _templates(server)}
    if name not in templates:
        raise NotFound(f"There is no template {name!r}; there are: {', '.join(sorted(templates)) or 'none'}.")
    return templates[name].story


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
