"""What the commands do that are about the library of characters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fabula.api.character.v1.character_pb2 import Character, Details
from fabula.cli.calls import Commands
from fabula.cli.character_telling import avatar, introduction, sheet
from fabula.cli.connection import Server
from fabula.cli.exits import Exit
from fabula.cli.files import read_file
from fabula.cli.output import put, put_text, say
from fabula.cli.rendering import age
from fabula.cli.watching import to_json
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import CHARACTER

LARGEST_PAGE = 100
LARGEST_HISTORY_MIB = 1


class LibraryCommands(Commands):
    """The commands for the library."""

    def list_characters(self, query: str, saved: bool | None, limit: int) -> Exit:
        """List the caller's characters, newest first: for programs, for people, or as lines with tabs."""
        found = self.servers.ask(CHARACTER, lambda server: _pages(server, query, saved, limit))
        if self.as_json:
            for character in found:
                put(to_json(character))
        elif sys.stdout.isatty():
            _print_table(found)
        else:
            for character in found:
                put("\t".join(_row(character, _created(character).isoformat(timespec="seconds"))))
        return Exit.SUCCESS

    def show(self, id_: str) -> Exit:
        """Print a character as it now is."""
        return self._print(self.ask(CHARACTER, "GetCharacter", character_id=id_).character)

    def save(self, id_: str) -> Exit:
        """Keep a character for good."""
        answer = self.ask(CHARACTER, "SaveCharacter", character_id=id_)
        put(to_json(answer.character) if self.as_json else f"{id_}\tsaved")
        return Exit.SUCCESS

    def repaint(self, id_: str, request_id: str) -> Exit:
        """Have a new avatar painted; print the generation that does."""
        answer = self.ask(CHARACTER, "RegenerateAvatar", character_id=id_, request_id=request_id)
        picture = answer.character.avatar.generation_id
        if self.as_json:
            put(to_json(answer.character))
        else:
            put(picture)
            say(f"Watch it with: fabula watch {picture} -o FILE")
        return Exit.SUCCESS

    def set(self, id_: str, changes: Sequence[str], history: Path | None, etag: str) -> Exit:
        """Change a character: what is not named stays as it is, whoever else changes it meanwhile."""
        fields: dict[str, Any] = {}
        if history is not None:
            fields["history"] = _text_of(history)
        if not changes and not fields:
            raise InvalidRequest("Nothing to change: give FIELD=VALUE, or --history.")
        changed({}, changes)  # what cannot be read is told before a server is asked
        now = self.ask(CHARACTER, "GetCharacter", character_id=id_).character
        if changes:
            fields["details"] = changed(now.details, changes)
        answer = self.ask(CHARACTER, "UpdateCharacter", character_id=id_, etag=etag or now.etag, **fields)
        return self._print(answer.character)

    def discard(self, id_: str, *, sure: bool) -> Exit:
        """Remove a character, its avatar and the generation that made it."""
        if not sure:
            if not sys.stdin.isatty():
                raise InvalidRequest("Discarding asks first, and there is nobody to answer: add --yes.")
            import typer  # noqa: PLC0415 - only to ask

            if not typer.confirm(f"Discard {id_}, its avatar and its generation?", err=True):
                return Exit.SUCCESS
        answer = self.ask(CHARACTER, "DiscardCharacter", character_id=id_)
        put(to_json(answer) if self.as_json else f"{id_}\tdiscarded")
        return Exit.SUCCESS

    def _print(self, character: Any) -> Exit:
        if self.as_json:
            put(to_json(character))
        else:
            say(f"{character.id}: {kept(character)}", only_people=True)
            put_text(sheet(character))
            if told := avatar(character):
                say(f"\n{told}", only_people=True)
        return Exit.SUCCESS


def changed(details: Any, changes: Sequence[str]) -> Details:
    """Return a character's details with these changes, each as `FIELD=VALUE`.

    Raises:
        InvalidRequest: a field that there is not, or a value that it cannot hold.
    """
    after = Details()
    if details:
        after.CopyFrom(details)
    for change in changes:
        name, equals, value = change.partition("=")
        field = Details.DESCRIPTOR.fields_by_name.get(name.strip().lower().replace("-", "_"))
        if field is None or not equals:
            there_are = ", ".join(Details.DESCRIPTOR.fields_by_name)
            raise InvalidRequest(f"{change!r} is no FIELD=VALUE with a field of a character: {there_are}.")
        if field.is_repeated:
            after.ClearField(field.name)  # type: ignore[arg-type]  # a name that is not known before
            getattr(after, field.name).extend(one.strip() for one in value.split(",") if one.strip())
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(after, field.name, value)
        elif value.isascii() and value.isdigit() and int(value) < 2**32:
            setattr(after, field.name, int(value))
        else:
            raise InvalidRequest(f"{field.name} must be a whole number from 0 to {2**32 - 1}.")
    return after


def kept(character: Any) -> str:
    """Return how long a character is kept: `saved`, or `until 2026-11-28`."""
    if character.saved:
        return "saved"
    return f"until {character.expire_time.ToDatetime(tzinfo=UTC).date().isoformat()}"


async def _pages(server: Server, query: str, saved: bool | None, limit: int) -> list[Character]:
    found: list[Character] = []
    token = ""
    while len(found) < limit:
        size = min(LARGEST_PAGE, limit - len(found))
        page = await server.call("ListCharacters", page_size=size, page_token=token, query=query, saved=saved)
        found.extend(page.characters)
        if not (token := page.next_page_token):
            break
    return found


def _text_of(path: Path) -> str:
    _, data = read_file(path, "--history", LARGEST_HISTORY_MIB)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"--history {path} is no text in UTF-8.") from None


def _created(character: Any) -> datetime:
    found: datetime = character.create_time.ToDatetime(tzinfo=UTC)
    return found


def _row(character: Any, when: str) -> tuple[str, ...]:
    return character.id, kept(character), when, introduction(character.details).replace("\t", " ").replace("\n", " ")


def _print_table(found: Sequence[Any]) -> None:
    if not found:
        say('Nobody yet. Begin with: fabula character "a brave knight of forty, afraid of geese"')
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    now = datetime.now(UTC)
    for character in found:
        id_, standing, when, told = _row(character, age(_created(character), now))
        name = Text(told, "bold")
        # Who it is and its id share a column, so that both can be read on a terminal of 80 columns.
        name.truncate(max(len(id_), console.width - 36), overflow="ellipsis")
        table.add_row(Text.assemble(name, "\n", (id_, "dim")), Text(standing, "green" if character.saved else ""), when)
    console.print(table)
