from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import uvloop

from fabula.backends.host import Host, HostSettings, HostSpec, JsonObject
from fabula.errors import (
    FabulaError,
    InvalidRequest,
    ModelCrashed,
    ModelOutOfMemory,
    ModelUnavailable,
)

COUNTER = "tests.integration.backends.hosted_models:counter"
BOUND_SECONDS = 0.5
ENDLESS = 10**9


def new_host(config: JsonObject | None = None, **settings: float) -> Host:
    """Return a host of a counter, patient enough for a busy machine unless told otherwise."""
    return Host(HostSpec("counter", COUNTER, config or {}), HostSettings(**{"cancel_bound_seconds": 10.0, **settings}))


@pytest.fixture
async def impatient_host() -> AsyncIterator[Host]:
    """A host of a counter that is quick to kill."""
    async with new_host(cancel_bound_seconds=BOUND_SECONDS) as host:
        yield host


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A host of a counter."""
    async with new_host() as host:
        yield host


async def numbers(host: Host, **request: object) -> list[int]:
    """Run to the end and return what the counter counted."""
    return [item.data["number"] async for item in host.run(request)]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something holds that no event tells of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def child_of(host: Host) -> int:
    """Return the process id of the host's child."""
    pid = host.state.pid
    assert pid is not None
    return pid


async def test_a_run_yields_its_items_in_order_and_keeps_the_model_warm(host: Host) -> None:
    """Two runs are served by one child, which is loaded once."""
    assert host.state.phase == "absent"
    assert [0, 1, 2] == await numbers(host, upto=3)
    pid = host.state.pid
    assert [0, 1] == await numbers(host, upto=2)

    assert ("ready", pid, 0) == (host.state.phase, host.state.pid, host.state.restarts)
    assert {"pid": pid} == host.state.details


async def test_warming_loads_the_model_before_the_first_run(tmp_path: Path) -> None:
    """After `warm` the first run finds the model loaded."""
    async with new_host({"loads": str(tmp_path / "loads")}) as host:
        await host.warm()
        assert "ready" == host.state.phase
        await numbers(host)

    assert 1 == len((tmp_path / "loads").read_text().splitlines())


async def test_binary_payloads_travel_both_ways_unchanged(host: Host) -> None:
    """Bytes of every value, more than any pipe holds, come back as they went."""
    payload = bytes(range(256)) * 8192
    items = [item async for item in host.run({"upto": 2}, payload)]

    assert [payload, payload] == [item.payload for item in items]


async def test_what_a_library_prints_does_not_disturb_the_stream(host: Host) -> None:
    """Prints to stdout, from Python and from C, end up in the log and nowhere else."""
    assert [0, 1, 2] == await numbers(host, at=1, misbehaviour="print")


async def test_runs_wait_for_each_other_in_the_order_they_came(host: Host) -> None:
    """Four concurrent runs are served one after the other, first come, first served."""
    order: list[int] = []

    async def one(place: int) -> None:
        order.extend([place async for _ in host.run({"upto": 2})])

    async with asyncio.TaskGroup() as group:
        for place in range(4):
            group.create_task(one(place))

    assert [0, 0, 1, 1, 2, 2, 3, 3] == order


@pytest.mark.parametrize(
    ("misbehaviour", "error_class", "words"),
    [
        ("run out of memory", ModelOutOfMemory, "out of memory"),
        ("run out of the accelerator's memory", ModelOutOfMemory, "Tried to allocate 2.00 GiB"),
        ("fail to allocate", ModelOutOfMemory, "can't allocate memory"),
        ("raise", ModelCrashed, "device-side assert"),
        ("exit", ModelCrashed, "exited with code 3; its last words: the last line before the end"),
        ("crash", ModelCrashed, r"SIGSEGV \(signal 11\); its last words: Fatal Python error: Segmentation fault"),
        ("speak out of turn", ModelCrashed, "spoke another language"),
    ],
)
async def test_a_failure_is_named_and_the_next_run_gets_a_fresh_child(
    host: Host, misbehaviour: str, error_class: type[FabulaError], words: str
) -> None:
    """Each failure has its class and its reason, and costs no more than the child."""
    with pytest.raises(error_class, match=words):
        await numbers(host, at=1, misbehaviour=misbehaviour)

    assert "absent" == host.state.phase
    assert [0, 1, 2] == await numbers(host)
    assert 1 == host.state.restarts


async def test_a_refused_request_leaves_the_model_loaded(host: Host) -> None:
    """What is wrong with a request is no reason to load the model again."""
    with pytest.raises(InvalidRequest, match="asks for too much"):
        await numbers(host, at=0, misbehaviour="refuse")

    assert [0, 1, 2] == await numbers(host)
    assert 0 == host.state.restarts


async def test_a_child_killed_in_mid_stream_is_reported_and_replaced(host: Host) -> None:
    """`kill -9` ends the run with the signal's name, and the next run works."""
    with pytest.raises(ModelCrashed, match=r"killed \(signal 9; possibly out of memory\)"):
        await kill_in_mid_stream(host)

    assert [0, 1, 2] == await numbers(host)


async def kill_in_mid_stream(host: Host) -> None:
    """Run, and kill the child after the tenth item."""
    async for item in host.run({"upto": ENDLESS}):
        if item.data["number"] == 10:
            os.kill(child_of(host), signal.SIGKILL)


async def test_a_child_killed_while_idle_is_replaced_unnoticed(host: Host) -> None:
    """A child that dies between two runs harms neither."""
    await numbers(host)
    os.kill(child_of(host), signal.SIGKILL)
    await until(lambda: host.state.phase == "absent")

    assert [0, 1, 2] == await numbers(host)


async def test_closing_the_generator_stops_the_child_and_keeps_it_warm(host: Host) -> None:
    """A cancel in mid-stream is obeyed at the next step, and the same child serves the next run."""
    async with aclosing(host.run({"upto": ENDLESS})) as items:
        first = await anext(items)
    pid = host.state.pid

    assert (0, "ready") == (first.data["number"], host.state.phase)
    assert [0, 1, 2] == await numbers(host)
    assert pid == host.state.pid


async def test_cancelling_the_reading_task_stops_a_child_that_emits_nothing(host: Host) -> None:
    """A run that is busy without output hears the cancel as well."""
    await host.warm()
    pid = child_of(host)
    task = asyncio.create_task(numbers(host, at=0, misbehaviour="wait for cancel"))
    await until(lambda: host.state.phase == "busy")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [0, 1, 2] == await numbers(host)
    assert pid == host.state.pid


async def test_a_stuck_child_is_killed_within_the_bound(impatient_host: Host) -> None:
    """A child that sleeps in C, holding the interpreter's lock, is gone soon after the bound; the next run works."""
    host = impatient_host
    items = host.run({"at": 1, "misbehaviour": "sleep in C"})
    await anext(items)
    pid = child_of(host)
    began = time.monotonic()
    await items.aclose()
    took = time.monotonic() - began
    await until(lambda: not is_running(pid))

    assert BOUND_SECONDS * 0.9 <= took < BOUND_SECONDS + 1.0
    assert [0, 1, 2] == await numbers(host)


async def test_cancelling_while_the_model_loads_kills_a_child_that_does_not_get_ready() -> None:
    """Loading cannot be interrupted, so that it ends with the child."""
    async with new_host({"misbehaviour": "sleep in C"}, cancel_bound_seconds=BOUND_SECONDS) as host:
        task = asyncio.create_task(host.warm())
        await until(lambda: host.state.phase == "loading")
        pid = child_of(host)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not is_running(pid))

        assert "absent" == host.state.phase


async def test_cancelling_while_waiting_for_a_turn_harms_nobody(host: Host) -> None:
    """A run that was cancelled in the queue is as if it had never been."""
    async with aclosing(host.run({"upto": ENDLESS})) as items:
        await anext(items)
        waiting = asyncio.create_task(numbers(host))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        following = await anext(items)

    assert 1 == following.data["number"]
    assert [0, 1, 2] == await numbers(host)


async def test_a_reader_that_stops_reading_stops_the_child(host: Host) -> None:
    """Without a reader the child fills the pipe and waits; it can still be cancelled, and stays warm."""
    payload = bytes(65536)
    async with aclosing(host.run({"upto": ENDLESS}, payload)) as items:
        await anext(items)
        pid = child_of(host)
        async with asyncio.timeout(5):
            while (before := written_bytes(pid)) == 0 or not await stays(lambda: written_bytes(pid) == before):
                pass
        began = time.monotonic()

    assert before < 2**20  # what the pipe and the parent's buffer hold
    assert time.monotonic() - began < 5
    assert [0, 1, 2] == await numbers(host)
    assert pid == host.state.pid


def written_bytes(pid: int) -> int:
    """Return how much a process has written so far."""
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(io["wchar"])


async def stays(condition: Callable[[], bool], seconds: float = 0.2) -> bool:
    """Tell whether something holds now and for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        await asyncio.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("spec", "error_class", "words"),
    [
        (HostSpec("m", "no.such.module:load"), ModelUnavailable, "No module named 'no'"),
        (HostSpec("m", f"{COUNTER}s"), ModelUnavailable, "has no attribute 'counters'"),
        (HostSpec("m", COUNTER, {"misbehaviour": "raise"}), ModelUnavailable, "cannot be loaded"),
        (HostSpec("m", COUNTER, {"misbehaviour": "run out of memory"}), ModelOutOfMemory, "out of memory"),
        (HostSpec("m", COUNTER, {"misbehaviour": "exit"}), ModelCrashed, "while it was loaded: exited with code 3"),
    ],
)
async def test_a_model_that_cannot_be_loaded_says_why(
    spec: HostSpec, error_class: type[FabulaError], words: str
) -> None:
    """Every call tries again, and fails with the reason."""
    async with Host(spec) as host:
        for _ in range(2):
            with pytest.raises(error_class, match=words):
                await host.warm()

        assert ("absent", 1) == (host.state.phase, host.state.restarts)


async def test_an_idle_model_is_unloaded_and_loaded_again_on_demand() -> None:
    """After the idle time the process is gone; the next run does not notice."""
    async with new_host(idle_unload_seconds=0.05) as host:
        await numbers(host)
        pid = child_of(host)
        await until(lambda: not is_running(pid))

        assert "absent" == host.state.phase
        assert [0, 1, 2] == await numbers(host)


async def test_closing_the_host_ends_a_busy_child_and_refuses_further_work() -> None:
    """A run under way ends with an error, the process is gone, and a closed host stays closed."""
    host = new_host()
    items = host.run({"upto": ENDLESS})
    await anext(items)
    pid = child_of(host)
    await host.close()
    await host.close()

    assert not is_running(pid)
    with pytest.raises(ModelUnavailable, match="closed"):
        async for _ in items:
            pass
    with pytest.raises(ModelUnavailable, match="closed"):
        await numbers(host)


async def test_closing_the_host_kills_a_stuck_child() -> None:
    """A child that does not hear the parent hang up is gone after the grace period."""
    host = new_host(close_grace_seconds=0.2)
    items = host.run({"at": 1, "misbehaviour": "sleep in C"})
    await anext(items)
    pid = child_of(host)
    await host.close()

    assert not is_running(pid)
    await items.aclose()


async def test_interrupting_the_child_does_not_end_it(host: Host) -> None:
    """Ctrl-C is the parent's business: a SIGINT that reaches the child is ignored, and it has a session of its own."""
    await host.warm()
    pid = child_of(host)
    os.kill(pid, signal.SIGINT)

    assert [0, 1, 2] == await numbers(host)
    assert pid == host.state.pid
    assert os.getsid(pid) == pid


PARENT = """
import asyncio
from fabula.backends.host import Host, HostSpec

async def main():
    host = Host(HostSpec("counter", "tests.integration.backends.hosted_models:counter"))
    async for item in host.run({"upto": 10**9, "at": 1, "misbehaviour": %r}):
        print(host.state.pid, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("misbehaviour", ["wait for cancel", "sleep in C"])
async def test_the_child_dies_with_its_parent(misbehaviour: str) -> None:
    """After `kill -9` of the parent the child is gone too, even where it is stuck."""
    command = [sys.executable, "-c", PARENT % misbehaviour]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - the loop has nothing to do
    with parent:
        assert parent.stdout is not None
        pid = next(int(line) for line in parent.stdout if line.strip().isdigit())  # among lines of the log
        assert is_running(pid)
        parent.kill()

    await until(lambda: not is_running(pid))


def test_the_host_works_on_uvloop_as_well() -> None:
    """Streaming, a kill in mid-stream, and a cancel of a stuck child behave the same on the other event loop."""

    async def scenario() -> None:
        async with new_host(cancel_bound_seconds=BOUND_SECONDS) as host:
            with pytest.raises(ModelCrashed, match="signal 9"):
                await kill_in_mid_stream(host)
            items = host.run({"at": 1, "misbehaviour": "sleep in C"})
            await anext(items)
            await items.aclose()
            assert [0, 1, 2] == await numbers(host)

    uvloop.run(scenario())
