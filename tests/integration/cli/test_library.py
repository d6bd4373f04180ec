"""The commands of the library before a real character service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import Customer, open_house
from tests.integration.cli.test_characters import Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "character-00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    """A terminal of somebody's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as house:
        yield Terminal(house, "ida")


@pytest.fixture
def ida(terminal: Terminal) -> Customer:
    """Who sits there."""
    return terminal.house.customer("ida")


async def test_characters_are_listed_shown_kept_and_discarded(terminal: Terminal, ida: Customer) -> None:
    """Newest first; what is printed is the result."""
    fox, knight = await ida.made("a red fox named Fritz"), await ida.made("a knight named Gisela")
    saved, _ = await terminal.run("characters", "save", fox.id)
    (listed, _), (found, _), (unsaved, _), (shown, _) = await asyncio.gather(
        terminal.run("characters", "list"),
        terminal.run("characters", "list", "FRITZ", "fox", "--saved"),
        terminal.run("characters", "list", "--unsaved", "--json"),
        terminal.run("characters", "show", fox.id),
    )
    discarded, _ = await terminal.run("characters", "discard", fox.id, "--yes")
    left, _ = await terminal.run("characters", "list", "--limit", "1", "--json")

    assert f"{fox.id}\tsaved\n" == saved
    assert [knight.id, fox.id] == [line.split("\t")[0] for line in listed.splitlines()]
    assert listed.splitlines()[0].split("\t")[1].startswith("until ")
    assert [fox.id, "saved"] == found.split("\t")[:2]
    assert "Fritz" in found.split("\t")[3]
    assert knight.id == json.loads(unsaved)["id"]
    assert ("Fritz" in shown.splitlines()[0], True) == (True, shown.rstrip().endswith(fox.history.rstrip()))
    assert f"{fox.id}\tdiscarded\n" == discarded
    assert knight.id == json.loads(left)["id"]


async def test_a_new_avatar_is_asked_for(terminal: Terminal, ida: Customer) -> None:
    """What is printed is the generation that paints it."""
    made = await ida.made()
    out, said = await terminal.run("characters", "repaint", made.id, "--request-id", "r-1")
    again, _ = await terminal.run("characters", "repaint", made.id, "--request-id", "r-1", "--json")

    avatar = (await ida.kept(made.id)).avatar.generation_id
    assert (f"{avatar}\n", True) == (out, avatar != made.avatar.generation_id)
    assert f"fabula watch {avatar}" in said
    assert avatar == json.loads(again)["avatar"]["generationId"]


async def test_what_is_named_is_changed(terminal: Terminal, ida: Customer, tmp_path: Path) -> None:
    """And everything else is as it was."""
    made = await ida.made()
    history = tmp_path / "history.txt"
    history.write_text("Born at sea.\n", "utf-8")
    changes = ("age=41", "first-name=Mara", "traits=brave, stubborn", "goal=a = b")
    out, _ = await terminal.run("characters", "set", made.id, *changes, "--history", str(history))
    after = await ida.kept(made.id)

    assert "Mara" in out.splitlines()[0]
    assert ("Born at sea.", 41, "Mara", "a = b") == (
        after.history.strip(),
        after.details.age,
        after.details.first_name,
        after.details.goal,
    )
    assert ["brave", "stubborn"] == list(after.details.traits)
    assert (made.details.species, made.details.fear) == (after.details.species, after.details.fear)


async def test_what_cannot_be_done_is_refused_with_its_code(terminal: Terminal, ida: Customer) -> None:
    """2 for what cannot be read, 4 for what there is not, 6 for what has changed."""
    made = await ida.made()
    await ida.call("UpdateCharacter", character_id=made.id, etag=made.etag, history="first")
    answers = await asyncio.gather(
        terminal.run("characters", "set", made.id, code=2),
        terminal.run("characters", "set", made.id, "colour=red", code=2),
        terminal.run("characters", "set", made.id, "age=old", code=2),
        terminal.run("characters", "set", made.id, "first_name= ", code=2),
        terminal.run("characters", "discard", made.id, code=2),
        terminal.run("characters", "show", UNKNOWN, code=4),
        terminal.run("characters", "save", "story-1", code=4),
        terminal.run("characters", "set", made.id, "age=41", "--etag", made.etag, code=6),
    )

    told = ("Nothing to change", "first_name, last_name", "whole number", "first_name", "--yes", "no such character",
            "no such character", "has changed")  # fmt: skip
    for (out, said), expected in zip(answers, told, strict=True):
        assert (out, True) == ("", expected in said), said
    assert "first" == (await ida.kept(made.id)).history
