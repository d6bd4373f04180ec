"""`fabula image` and what else the command line does with pictures, against a server whose logs the test writes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories, until
from tests.system import FABULA, plain_environment

FILES = (b"the first picture", b"the second picture")


@dataclass(slots=True)
class Run:
    """What a command came to."""

    code: int
    out: bytes
    err: str


@dataclass(slots=True)
class Terminal:
    """The command line, in a folder of its own, before a scripted server."""

    server: ScriptedServer
    images: ScriptedImages
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Its settings."""
        address = self.server.address
        places = {"FABULA_STORY_ADDRESS": address, "FABULA_IMAGE_ADDRESS": address}
        return plain_environment(FABULA_GENERATORS="story,image", **places)

    async def begin(self, *words: str, **more: Any) -> asyncio.subprocess.Process:
        """Start a command."""
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **more}
        pipes.setdefault("stdin", asyncio.subprocess.DEVNULL)
        environment = {**self.environment, **pipes.pop("env", {})}
        return await asyncio.create_subprocess_exec(*FABULA, *words, cwd=self.folder, env=environment, **pipes)

    async def end(self, process: asyncio.subprocess.Process) -> Run:
        """Wait for a command's end."""
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        return Run(process.returncode or 0, out, err.decode() if err else "")

    async def run(self, *words: str) -> Run:
        """Run a command to its end."""
        return await self.end(await self.begin(*words))

    async def started(self) -> ScriptedLog:
        """Wait until a command has started something, and return its log."""
        await until(lambda: bool(self.images.logs))
        (log,) = self.images.logs.values()
        return log

    async def paint(self, *words: str, files: tuple[bytes, ...] = FILES[:1]) -> Run:
        """Run `fabula image`; what it asks for is painted."""
        process = await self.begin("image", *words)
        self.images.paint(await self.started(), *files)
        return await self.end(process)

    @property
    def saved(self) -> dict[str, bytes]:
        """What lies in the folder."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """A command line, and the server that it asks."""
    images = ScriptedImages()
    server = ScriptedServer(ScriptedStories(), images)
    await server.start()
    yield Terminal(server, images, tmp_path)
    await server.stop()


async def test_a_picture_is_painted_and_saved(terminal: Terminal) -> None:
    """Standard output says where; the steps are on standard error; the format is that of the suffix."""
    done = await terminal.paint("a castle", "-o", "castle.webp", "--steps", "9", "--no-refine", "--negative", "fog")

    asked = (await terminal.started()).responses[0].request
    assert (0, b"castle.webp\n", {"castle.webp": FILES[0]}) == (done.code, done.out, terminal.saved)
    assert ("a castle", "FORMAT_WEBP", 9, False, "fog") == (
        asked.prompt, asked.DESCRIPTOR.fields_by_name["format"].enum_type.values_by_number[asked.format].name,
        asked.steps, asked.use_refinement, asked.negative_prompt,
    )  # fmt: skip
    assert "Finished: 1 picture of 256 × 256, by painter/1, 20 steps, seed 7" in done.err


async def test_several_pictures_are_numbered(terminal: Terminal) -> None:
    """All of them are named on standard output."""
    done = await terminal.paint("a castle", "-o", "castle.png", "-n", "2", files=FILES)

    assert b"castle-1.png\ncastle-2.png\n" == done.out
    assert dict(zip(("castle-1.png", "castle-2.png"), FILES, strict=True)) == terminal.saved


async def test_without_a_name_it_is_named_after_its_prompt(terminal: Terminal) -> None:
    """And never like something that is there."""
    (terminal.folder / "a-castle.png").write_bytes(b"mine")
    done = await terminal.paint("A castle!")

    assert (0, b"a-castle-2.png\n") == (done.code, done.out)
    assert {"a-castle.png": b"mine", "a-castle-2.png": FILES[0]} == terminal.saved


async def test_standard_output_takes_a_picture(terminal: Terminal) -> None:
    """Its bytes and nothing else."""
    done = await terminal.paint("a castle", "-o", "-", "--format", "jpeg", "--quiet")

    assert (0, FILES[0], "", {}) == (done.code, done.out, done.err, terminal.saved)


async def test_what_is_there_is_kept_and_nothing_is_painted_in_vain(terminal: Terminal) -> None:
    """Refused before anything is started; with --force it is replaced."""
    (terminal.folder / "castle.png").write_bytes(b"mine")
    refused = await terminal.run("image", "a castle", "-o", "castle.png")
    assert (6, {}) == (refused.code, terminal.images.logs)
    assert "castle.png is there already" in refused.err

    forced = await terminal.paint("a castle", "-o", "castle.png", "--force")
    assert (0, {"castle.png": FILES[0]}) == (forced.code, terminal.saved)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "castle.tiff"], "the suffix says"),
        (["-o", "castle.png", "--format", "webp"], "contradict"),
        (["-o", "-", "-n", "2"], "do not go to standard output"),
        (["-o", "nowhere/castle.png"], "no folder"),
        (["-o", "castle.png", "--no-watch"], "Nothing is saved"),
        (["--from", "nothing.png"], "cannot be read"),
        (["--preview", "hologram"], "is not known"),
        (["--strength", "0.5"], "strength"),
    ],
)
async def test_what_cannot_be_is_said_before_anything_is_started(
    terminal: Terminal, words: list[str], said: str
) -> None:
    """Exit code 2."""
    done = await terminal.run("image", "a castle", *words)

    assert (2, {}) == (done.code, terminal.images.logs)
    assert said in done.err


async def test_leaving_does_not_stop_the_painter(terminal: Terminal) -> None:
    """Ctrl-C says how to come back, and that brings the picture to the same file."""
    process = await terminal.begin("image", "a castle", "-o", "castle.png")
    log = await terminal.started()
    await until(lambda: bool(terminal.images.open_watches))
    process.send_signal(signal.SIGINT)
    left = await terminal.end(process)
    assert (130, {}) == (left.code, terminal.saved)
    assert f"fabula watch {log.id} -o castle.png" in left.err

    again = await terminal.begin("watch", log.id, "-o", "castle.png")
    terminal.images.paint(log, FILES[0])
    back = await terminal.end(again)
    assert (0, b"castle.png\n", {"castle.png": FILES[0]}) == (back.code, back.out, terminal.saved)


async def test_programs_get_every_event_as_json(terminal: Terminal) -> None:
    """One object a line; saved only where a name is given."""
    done = await terminal.paint("a castle", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]

    assert [1, 2] == [event["event"]["sequence"] for event in events]
    assert "painter/1" == events[-1]["image"]["model"]
    assert {} == terminal.saved


async def test_a_finished_picture_is_shown_and_saved_later(terminal: Terminal) -> None:
    """By its id alone: what kind it is of, the id says."""
    log = terminal.images.new()
    unfinished = await terminal.run("show", log.id, "-o", "castle.png")
    terminal.images.paint(log, *FILES)
    told = await terminal.run("show", log.id)
    saved = await terminal.run("show", log.id, "-o", "castle.png")

    assert (6, True) == (unfinished.code, "no picture yet" in unfinished.err)
    assert "2 pictures of 256 × 256" in told.out.decode()
    assert (0, b"castle-1.png\ncastle-2.png\n") == (saved.code, saved.out)


async def test_controls_go_to_the_server_of_the_ids_kind(terminal: Terminal) -> None:
    """Pause, resume, cancel, delete: of a picture as of a story."""
    log, story = terminal.images.new(), terminal.server.stories.new()
    codes = [(await terminal.run(verb, log.id)).code for verb in ("pause", "resume", "cancel")]
    other = await terminal.run("pause", story.id)

    assert [0, 0, 0, 0] == [*codes, other.code]
    assert ["PauseGeneration", "ResumeGeneration", "CancelGeneration"] == [rpc for rpc, _ in terminal.images.commands]
    assert [("PauseGeneration", story.id)] == terminal.server.stories.commands
    assert 0 == (await terminal.run("delete", log.id, "--yes")).code
    assert {} == terminal.images.logs
    assert 4 == (await terminal.run("watch", "poem-1")).code


async def test_a_list_has_all_kinds_unless_one_is_named(terminal: Terminal) -> None:
    """Newest first; a kind whose server does not answer is left out."""
    story = terminal.server.stories.new()
    await asyncio.sleep(0.01)
    picture = terminal.images.new()

    async def ids(*words: str) -> list[str]:
        done = await terminal.run("list", *words)
        assert 0 == done.code, done.err
        return [line.split("\t")[0] for line in done.out.decode().splitlines()]

    assert [picture.id, story.id] == await ids()
    assert [picture.id] == await ids("--kind", "image")
    assert [story.id] == await ids("--kind", "story")
    assert [picture.id] == await ids("--limit", "1")
    assert 2 == (await terminal.run("list", "--kind", "poem")).code


async def test_a_list_without_one_server_has_the_others(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for alone, the missing one is an error."""
    story = terminal.server.stories.new()
    gone = {"env": {"FABULA_IMAGE_ADDRESS": "127.0.0.1:1"}}
    some = await terminal.end(await terminal.begin("list", **gone))
    none = await terminal.end(await terminal.begin("list", "--kind", "image", **gone))

    assert (0, story.id) == (some.code, some.out.decode().split("\t")[0])
    assert 5 == none.code
    assert "No image server answers at 127.0.0.1:1" in none.err
    assert "FABULA_IMAGE_ADDRESS" in none.err


async def test_the_model_is_told(terminal: Terminal) -> None:
    """A fact a line; as JSON, all of it."""
    told = (await terminal.run("models")).out.decode().splitlines()
    model = json.loads((await terminal.run("models", "--json")).out)

    assert "painter\tpainter/1" == told[0]
    assert ("painter/1", 256) == (model["name"], model["defaultWidth"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
@pytest.mark.parametrize(
    ("way", "sign", "times"),
    [("kitty", b"\x1b_Ga=T", 1), ("iterm", b"\x1b]1337;File=", 1), ("blocks", "▀".encode(), 64 * 32)],
)
async def test_a_terminal_shows_the_picture_as_it_forms(terminal: Terminal, way: str, sign: bytes, times: int) -> None:
    """Each preview, then the finished picture; the bar counts its steps."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (10, 200, 30)).save(file, "PNG")
    leader, follower = pty.openpty()
    environment = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    process = await terminal.begin(
        "image", "a castle", "-o", "castle.png", "--preview", way, stderr=follower, env=environment
    )
    os.close(follower)
    seen = bytearray()
    reading = asyncio.create_task(asyncio.to_thread(_read_all, leader, seen))
    log = await terminal.started()
    await until(lambda: bool(terminal.images.open_watches))
    for step in (5, 10):
        log.show(preview={"image": file.getvalue(), "media_type": "image/png", "step": step})
        await until(lambda expected=step // 5: seen.count(sign) >= expected * times)  # type: ignore[misc]  # bound at once
    terminal.images.paint(log, file.getvalue())
    done = await terminal.end(process)
    await reading

    assert (0, b"castle.png\n") == (done.code, done.out)
    assert {"castle.png": file.getvalue()} == terminal.saved
    assert b"Finished: 1 picture" in seen
    assert 4 * times == seen.count(sign)  # two previews, the last one again below the remark, the finished picture


def _read_all(leader: int, seen: bytearray) -> None:
    try:
        while data := os.read(leader, 65536):
            seen.extend(data)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(leader)
