"""The command line before a real character service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import House, open_house, picture_file
from tests.integration.story.house import token
from tests.system import FABULA, plain_environment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Commands, on behalf of a user."""

    house: House
    owner: str

    async def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Run a command, which must end with this code; return what it has printed and said."""
        environment = plain_environment(
            FABULA_CHARACTER_ADDRESS=f"127.0.0.1:{self.house.port}",
            FABULA_TOKEN=token(self.owner),
            FABULA_GENERATORS="character",
        )
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *FABULA, *words, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        async with asyncio.timeout(50):
            out, err = await process.communicate()
        assert code == process.returncode, err.decode()
        return out.decode(), err.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    """A terminal of somebody's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as house:
        yield Terminal(house, "ida")


async def test_a_character_is_made_watched_and_shown(terminal: Terminal, tmp_path: Path) -> None:
    """From a line and a picture; results go to standard output, what is said of them does not."""
    picture = tmp_path / "face.jpg"
    picture.write_bytes(picture_file("JPEG"))
    out, err = await terminal.run("character", "a brave knight of forty", "--from", str(picture), "--seed", "7")
    listed, _ = await terminal.run("list", "--kind", "character")
    id_ = listed.split("\t", 1)[0]
    shown, _ = await terminal.run("show", id_)
    watched, _ = await terminal.run("watch", id_)

    assert ": knight, 40, " in out.splitlines()[0]
    assert "The picture shows: " in err
    assert "Finished: " in err
    assert out == shown == watched
    assert "a brave knight of forty" in listed


async def test_a_character_is_started_and_left_alone(terminal: Terminal) -> None:
    """Its id is printed; as JSON everything is."""
    out, _ = await terminal.run("character", "an owl", "--no-watch", "--no-avatar")
    shown, _ = await terminal.run("show", out.strip(), "--json")
    await terminal.run("watch", out.strip())

    assert out.startswith("character-")
    assert '"generateAvatar":false' in shown


async def test_what_cannot_be_made_is_refused(terminal: Terminal) -> None:
    """With a sentence, and the code for it."""
    _, nothing = await terminal.run("character", code=2)
    _, unknown = await terminal.run("show", "character-00000000-0000-4000-8000-000000000000", code=4)

    assert "give a description, a picture, or both" in nothing
    assert "there is no such generation" in unknown.lower()
