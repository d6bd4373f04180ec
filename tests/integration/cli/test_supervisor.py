"""The supervisor, on real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fabula import orphanless
from fabula.cli.supervisor import Backoff, Phase, Service, Status, Supervisor
from fabula.errors import Unavailable

QUICK = Backoff(first_seconds=0.02, longest_seconds=0.1)

STAY = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


class Diary:
    """Writes down what the supervisor says, and lets tests wait for it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.statuses: list[Status] = []
        self._news = asyncio.Event()

    def line(self, service: str, text: str) -> None:
        """Note a line of output."""
        self.lines.append((service, text))
        self._news.set()

    def changed(self, status: Status) -> None:
        """Note a change."""
        self.statuses.append(status)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is true of what was noted."""
        while not holds():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 20)

    def phases(self, *phases: Phase) -> list[tuple[str, Phase]]:
        """Return who came into one of the phases, in order."""
        return [(status.name, status.phase) for status in self.statuses if status.phase in phases]

    def wrote(self, service: str) -> Callable[[], Awaitable[bool]]:
        """Return a ready check: the service has written a line since its process was started."""

        async def ready() -> bool:
            return any(name == service for name, _ in self.lines)

        return ready


def python(diary: Diary, name: str, code: str, stop_seconds: float = 5.0) -> Service:
    """Return a service that runs a piece of Python and is ready when it has written something."""
    return Service(name, (sys.executable, "-c", code), diary.wrote(name), start_seconds=10, stop_seconds=stop_seconds)


def alive(pid: int) -> bool:
    """Say whether there is such a process, zombies not counted."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until_gone(*pids: int) -> None:
    """Wait until the processes are gone."""
    async with asyncio.timeout(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - other processes; there is no event
            await asyncio.sleep(0.02)


async def test_services_start_in_order_and_stop_in_reverse() -> None:
    """Each is started when the one before is ready, and stopped when the one after is gone."""
    diary = Diary()

    async with Supervisor([python(diary, name, STAY) for name in "abc"], diary) as supervisor:
        assert [Phase.READY] * 3 == [status.phase for status in supervisor.statuses]

    started = diary.phases(Phase.STARTING, Phase.READY)
    stopped = diary.phases(Phase.STOPPING, Phase.STOPPED)
    assert [(name, phase) for name in "abc" for phase in (Phase.STARTING, Phase.READY)] == started
    assert [(name, phase) for name in "cba" for phase in (Phase.STOPPING, Phase.STOPPED)] == stopped
    assert not any(alive(status.pid) for status in diary.statuses if status.pid)


async def test_a_dead_process_is_started_again_and_the_others_stay() -> None:
    """A kill -9 of one leaves the others as they are."""
    diary = Diary()

    async with Supervisor([python(diary, name, STAY) for name in "ab"], diary, QUICK) as supervisor:
        first, other = (status.pid for status in supervisor.statuses)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await diary.until(lambda: supervisor.statuses[0].restarts == 1 and supervisor.statuses[0].phase is Phase.READY)
        again = supervisor.statuses[0]

        assert -signal.SIGKILL == again.exit_code
        assert first != again.pid
        assert other == supervisor.statuses[1].pid


async def test_a_process_that_keeps_dying_is_left_alone_longer_and_longer() -> None:
    """The wait doubles up to its bound."""
    diary = Diary()
    service = python(diary, "a", "print('up', flush=True); import time; time.sleep(0.05); raise SystemExit(3)")

    async with Supervisor([service], diary, replace(QUICK, settled_seconds=60.0)):
        await diary.until(lambda: len(diary.phases(Phase.DEAD)) == 5)

    waits = [status.wait_seconds for status in diary.statuses if status.phase is Phase.DEAD]
    assert [0.02, 0.04, 0.08, 0.1, 0.1] == waits


def test_a_process_that_was_at_work_comes_back_soon() -> None:
    """After a second of being ready a death counts as the first; a process that never gets there is spared work."""
    backoff = Backoff()

    assert [0.2, 0.4, 5.0, 0.2] == [
        backoff.after(0, 0),
        backoff.after(0.2, 0.9),
        backoff.after(4.0, 0),
        backoff.after(5.0, 1.0),
    ]


async def test_a_process_that_is_killed_again_and_again_comes_back_as_soon_each_time() -> None:
    """Readiness counts, not age: who was ready for long enough is started again after the first wait, every time."""
    diary = Diary()
    backoff = Backoff(first_seconds=0.02, longest_seconds=10.0, settled_seconds=0.1)

    async with Supervisor([python(diary, "a", STAY)], diary, backoff) as supervisor:
        for death in range(1, 5):
            await diary.until(lambda: supervisor.statuses[0].phase is Phase.READY)
            await asyncio.sleep(backoff.settled_seconds)
            os.kill(supervisor.statuses[0].pid or 0, signal.SIGKILL)
            await diary.until(lambda count=death: len(diary.phases(Phase.DEAD)) == count)  # type: ignore[misc]

    waits = [status.wait_seconds for status in diary.statuses if status.phase is Phase.DEAD]
    assert [0.02] * 4 == waits


async def test_a_process_that_never_gets_ready_is_left_alone_longer_however_long_it_lives() -> None:
    """One that takes its time to fail is no better than one that fails at once."""
    diary = Diary()
    backoff = Backoff(first_seconds=0.02, settled_seconds=0.05)

    async def never() -> bool:
        return False

    service = Service("a", (sys.executable, "-c", "import time; time.sleep(0.2); raise SystemExit(3)"), never)
    supervisor = Supervisor([service], diary, backoff)
    with pytest.raises(Unavailable):
        async with supervisor:
            raise AssertionError("nothing is ready")

    waits = [status.wait_seconds for status in diary.statuses if status.phase is Phase.DEAD]
    assert [0.02, 0.04, 0.08] == waits[:3]


async def test_a_process_that_ignores_the_request_is_killed() -> None:
    """Who does not end in time after SIGTERM is ended."""
    diary = Diary()

    async with Supervisor([python(diary, "a", STUBBORN, stop_seconds=0.2)], diary) as supervisor:
        pid = supervisor.statuses[0].pid

    assert pid is not None
    assert not alive(pid)


async def test_kill_ends_everything_at_once() -> None:
    """The second Ctrl-C does not wait for anybody."""
    diary = Diary()

    async with Supervisor([python(diary, "a", STUBBORN, stop_seconds=60)], diary) as supervisor:
        supervisor.kill()

    assert Phase.STOPPED == diary.statuses[-1].phase


async def test_a_service_that_refuses_its_settings_is_not_tried_again() -> None:
    """Exit code 2 at the start ends the attempt at once, and those before it are stopped."""
    diary = Diary()
    refusing = python(diary, "b", "raise SystemExit(2)")

    with pytest.raises(Unavailable, match="b does not start: it ends with exit code 2"):
        async with Supervisor([python(diary, "a", STAY), refusing], diary):
            pytest.fail("it must not come here")

    assert [("a", Phase.STOPPED), ("b", Phase.STOPPED)] == sorted(diary.phases(Phase.STOPPED))


async def test_a_service_that_only_dies_is_given_up_at_the_start() -> None:
    """It may take a few tries, but not all the time it may take to be ready."""
    diary = Diary()

    with pytest.raises(Unavailable, match="a does not start: it ends with exit code 3"):
        async with Supervisor([python(diary, "a", "raise SystemExit(3)")], diary, QUICK):
            pytest.fail("it must not come here")

    assert 5 == len(diary.phases(Phase.DEAD))


async def test_what_goes_wrong_inside_comes_out_as_it_is() -> None:
    """An error of the caller is not wrapped, and the services are stopped."""
    diary = Diary()

    with pytest.raises(ValueError, match="mine"):
        async with Supervisor([python(diary, "a", STAY)], diary):
            raise ValueError("mine")

    assert Phase.STOPPED == diary.statuses[-1].phase


async def test_output_comes_line_by_line_and_a_grandchild_that_holds_it_open_is_not_waited_for() -> None:
    """Very long lines come in pieces; a line without an end comes when the process is gone."""
    code = """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"])
        sys.stdout.write("one\\n" + "x" * 200_000 + "\\nlast"); sys.stdout.flush()
        sys.stdin.read(); raise SystemExit(1)
    """
    diary = Diary()

    async with Supervisor([python(diary, "a", textwrap.dedent(code))], diary):
        await diary.until(lambda: bool(diary.phases(Phase.DEAD)))

    texts = [text for _, text in diary.lines]
    assert "one" == texts[0]
    assert 200_000 == texts.count("x") + sum(len(text) for text in texts if text.startswith("xx"))
    assert max(len(text) for text in texts) < 200_000


PARENT = """
import asyncio, sys
from tests.integration.cli.test_supervisor import STUBBORN, Diary, python
from fabula.cli.supervisor import Supervisor

async def main():
    diary = Diary()
    async with Supervisor([python(diary, name, STUBBORN) for name in "ab"], diary) as supervisor:
        print(*(status.pid for status in supervisor.statuses), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_no_child_outlives_a_killed_supervisor() -> None:
    """A kill -9 of the supervisor ends its children, even those that ignore requests."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()

    await until_gone(*children)


async def test_without_the_kernels_help_a_sidekick_ends_the_child() -> None:
    """Where there is no parent-death signal the end of a pipe does it."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(orphanless.__file__).parent)!r}); import orphanless; "
        f"orphanless.end_with_parent_by_pipe(); orphanless.become([sys.executable, '-c', {STUBBORN!r}])"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "up\n"
    child.stdin.close()

    assert -signal.SIGKILL == await asyncio.to_thread(child.wait, 10)
    child.stdout.close()


def test_a_command_that_does_not_exist_is_said_so() -> None:
    """The message names the command, on the service's output."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", orphanless.__file__, str(os.getpid()), "no-such-program"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (127, "no-such-program cannot be started: No such file or directory\n") == (done.returncode, done.stderr)


async def test_services_beside_each_other_are_started_together() -> None:
    """The second does not wait for the first; what follows waits for both."""
    diary = Diary()
    first, second, third = (python(diary, name, STAY) for name in ("first", "second", "third"))
    gate = asyncio.Event()

    async def after_second() -> bool:
        return gate.is_set() and await diary.wrote("first")()

    together = (replace(first, ready=after_second), replace(second, beside=True), third)
    supervisor = Supervisor(together, diary, QUICK)
    entering = asyncio.create_task(supervisor.__aenter__())
    await diary.until(lambda: ("second", Phase.READY) in diary.phases(Phase.READY))
    assert [("first", Phase.STARTING), ("second", Phase.STARTING)] == diary.phases(Phase.STARTING)
    gate.set()
    await entering
    await supervisor.__aexit__(None, None, None)

    assert ["third", "second", "first"] == [name for name, _ in diary.phases(Phase.STOPPED)]


async def test_nobody_waits_for_a_service_that_is_not_awaited() -> None:
    """It is kept running like the others, and can be waited for on its own."""
    diary, gate = Diary(), asyncio.Event()

    async def when_open() -> bool:
        return gate.is_set()

    slow = replace(python(diary, "slow", STAY), ready=when_open, awaited=False)
    async with Supervisor((slow, python(diary, "quick", STAY)), diary, QUICK) as supervisor:
        assert [("quick", Phase.READY)] == diary.phases(Phase.READY)
        with pytest.raises(Unavailable):
            await supervisor.until_ready("slow", 0.05)
        gate.set()
        await supervisor.until_ready("slow", 10)

    assert ["quick", "slow"] == [name for name, _ in diary.phases(Phase.STOPPED)]
