"""The commands for logs and batches before a real story service."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.story.house import House, User, open_house, owner_of, story, token
from tests.system import FABULA, plain_environment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Commands, on behalf of a user."""

    house: House
    user: User

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """Begin a command."""
        environment = plain_environment(
            FABULA_STORY_ADDRESS=self.house.address, FABULA_TOKEN=token(owner_of(self.user)), FABULA_GENERATORS="story"
        )
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *FABULA, *words, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )

    async def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Run a command, which must end with this code; return what it has printed and said."""
        process = await self.begin(*words)
        async with asyncio.timeout(50):
            out, err = await process.communicate()
        assert code == process.returncode, err.decode()
        return out.decode(), err.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened


@pytest.fixture
def terminal(house: House) -> Terminal:
    """A terminal of somebody who has nothing yet."""
    return Terminal(house, house.user())


async def test_the_lines_of_a_finished_story(terminal: Terminal) -> None:
    """With tabs between for programs that read lines, as JSON for others; `--after` goes on from there."""
    id_ = await terminal.user.start(story(terminal.house.script().premise))
    await terminal.user.log(id_)
    (out, err), (as_json, _), (warnings, _), (followed, _) = await asyncio.gather(
        terminal.run("log", id_),
        terminal.run("log", id_, "--json", "--after", "2"),
        terminal.run("log", id_, "--level", "error"),
        terminal.run("log", id_, "--follow"),
    )
    lines = [line.split("\t") for line in out.splitlines()]
    records = [json.loads(line) for line in as_json.splitlines()]

    assert ["accepted", "finished"] == [lines[0][3], lines[-1][3]]
    assert {"INFO"} == {line[1] for line in lines}
    assert lines[0][0].endswith("+00:00")
    assert "" == err == warnings
    assert out == followed
    assert [line[3] for line in lines[2:]] == [record["message"] for record in records]
    assert [3, 4] == [record["sequence"] for record in records[:2]]


async def test_lines_of_a_story_that_is_written(terminal: Terminal) -> None:
    """Those there are, without waiting; with `--follow` those to come as well, until Ctrl-C."""
    script = terminal.house.script(hold_before=1)
    id_ = await terminal.user.start(story(script.premise))
    await asyncio.wait_for(script.held.wait(), 20)
    out, _ = await terminal.run("log", id_)
    process = await terminal.begin("log", id_, "--follow")
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"write-1 begins" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    terminal.house.release()

    assert "write-1 begins" in out
    assert "finished\n" not in out
    assert 130 == process.returncode
    assert f"fabula log {id_} --follow --after " in err.decode()


async def test_what_has_no_log_is_told(terminal: Terminal) -> None:
    """By the usual exit codes."""
    unknown = "story-00000000-0000-4000-8000-000000000000"
    codes = [
        (("log", unknown), 4),
        (("log", unknown, "--follow"), 4),
        (("log", "x"), 4),
        (("log", unknown, "--level", "x"), 2),
    ]
    await asyncio.gather(*(terminal.run(*words, code=code) for words, code in codes))


async def test_a_file_of_stories_is_started_once(terminal: Terminal, tmp_path: Path) -> None:
    """Their ids are printed in order; the same file with the same key starts nothing more."""
    file = tmp_path / "stories.jsonl"
    items = [{"kind": "story", "request": {"premise": f"Ann counts {count} boats.", "words": 60}} for count in range(3)]
    file.write_text("\n".join(json.dumps(item) for item in items))
    first, _ = await terminal.run("batch", str(file), "--request-id", "b")
    again, _ = await terminal.run("batch", str(file), "--request-id", "b", "--json")
    premises = [
        (await terminal.user.call("GetGeneration", generation_id=id_)).request.premise for id_ in first.splitlines()
    ]

    assert first.splitlines() == [json.loads(line)["generation"]["id"] for line in again.splitlines()]
    assert [item["request"]["premise"] for item in items] == premises  # type: ignore[index]  # as written above
    assert 3 == len(await terminal.user.listed())


async def test_what_cannot_be_started_does_not_keep_the_others(terminal: Terminal, tmp_path: Path) -> None:
    """It is told on standard error, and the command ends with 1."""
    file = tmp_path / "stories.json"
    good = {"kind": "story", "request": {"premise": "Ann counts boats.", "words": 60}}
    bad = [{"kind": "story", "request": {}}, {"kind": "story", "request": {"colour": "red"}}]
    file.write_text(json.dumps({"items": [good, *bad, good]}))
    out, err = await terminal.run("batch", str(file), code=1)
    file.write_text("no batch")
    await terminal.run("batch", str(file), code=2)

    lines = out.splitlines()
    assert ["-", "-"] == lines[1:3]
    assert sorted(await terminal.user.listed()) == sorted((lines[0], lines[3]))
    assert "Item 1 was not started" in err
    assert "colour" in err
