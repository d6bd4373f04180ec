"""The command line against the whole system, as `fabula up` runs it: real processes, real journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest

from fabula.api.generation.v1.generation_pb2 import State
from fabula.api.story.v1.story_pb2 import GetGenerationRequest, GetGenerationResponse
from fabula.cli.health import ask_http
from fabula.rpc.kinds import STORY
from tests.system import FABULA, POLL_SECONDS, System, free_port, json_lines

pytestmark = pytest.mark.timeout(180)  # whole systems are started; a busy machine takes its time

PREMISE = "Mara, a lighthouse keeper, finds a door in the sea"
SLOW = 8.0
"""Words per second, for what must be caught in the middle."""


@pytest.fixture(name="system", scope="module")
def _system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system that writes as fast as it can."""
    with System(tmp_path_factory.mktemp("up") / "data") as system:
        yield system


@pytest.fixture(name="slow", scope="module")
def _slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system that writes at a reader's pace."""
    with System(tmp_path_factory.mktemp("slow") / "data", SLOW) as system:
        yield system


def started(system: System, *options: str) -> str:
    """Start a story without watching it; return its id."""
    done = system.fabula("story", PREMISE, "--no-watch", *options)
    assert (0, "") == (done.returncode, done.stderr.replace(f"Watch it with: fabula watch {done.stdout}", ""))
    return done.stdout.strip()


def look(system: System, id_: str) -> GetGenerationResponse:
    """Return a story as it stands. Not by the command: it is asked again and again."""
    with grpc.insecure_channel(system.story_address) as channel:
        get = channel.unary_unary(
            STORY.path("GetGeneration"),
            request_serializer=GetGenerationRequest.SerializeToString,
            response_deserializer=GetGenerationResponse.FromString,
        )
        answer: GetGenerationResponse = get(GetGenerationRequest(generation_id=id_), timeout=10)
    return answer


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(POLL_SECONDS)


def until_writing(system: System, id_: str) -> None:
    """Wait until there is some text."""
    until(lambda: bool(look(system, id_).story.text), "writing")


def until_state(system: System, id_: str, state: State.ValueType) -> None:
    """Wait until a story stands where it should."""
    until(lambda: look(system, id_).generation.state == state, State.Name(state))


class NoModel(BaseHTTPRequestHandler):
    """An endpoint that does not know the model."""

    def do_POST(self) -> None:
        """Answer 404."""
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


@pytest.fixture(name="useless_endpoint")
def _useless_endpoint() -> Iterator[str]:
    """Run an endpoint at which every model call fails at once."""
    with HTTPServer(("127.0.0.1", 0), NoModel) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"openai:nobody@http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_a_story_is_printed_when_it_is_finished(system: System) -> None:
    """Standard output holds the story and nothing else; the steps are on standard error."""
    done = system.fabula("story", PREMISE, "--words", "150", "--chapters", "2", "--title", "The Door", "--seed", "7")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("# The Door\n\n## 1. ")
    assert "Mara" in done.stdout
    steps = done.stderr.splitlines()
    assert steps[0].startswith("[  0%] Accepted as story-")
    assert steps[-1].startswith("[100%] Finished: “The Door”, ")
    assert [] == [line for line in steps if not line.startswith("[")]


def test_programs_get_every_event_once_as_json(system: System) -> None:
    """One object a line, sequences from 1 to the end, the result in the last; again the same when watched again."""
    done = system.fabula("story", PREMISE, "--words", "100", "--json")

    responses = [one for one in json_lines(done.stdout) if one["event"].get("sequence")]
    assert list(range(1, len(responses) + 1)) == [one["event"]["sequence"] for one in responses]
    assert "succeeded" in responses[-1]["event"]
    assert (0, "") == (done.returncode, done.stderr)
    id_ = responses[0]["event"]["generationId"]
    deltas = [one["event"]["textDelta"]["text"] for one in responses if "textDelta" in one["event"]]
    assert "".join(deltas).strip() in responses[-1]["story"]["text"]
    again = system.fabula("watch", id_, "--after", "3", "--json")
    assert responses[3:] == json_lines(again.stdout)


def test_all_wishes_reach_the_service(system: System, tmp_path: Path) -> None:
    """What was asked for is kept with the story."""
    source = tmp_path / "source.txt"
    source.write_text("A ferryman crosses a river every night and never asks who his passengers are.")
    id_ = started(
        system,
        *("--genre", "fantasy", "--tone", "quiet", "--audience", "adults", "--language", "en", "--words", "120"),
        *("--chapters", "2", "--instructions", "no dragons", "--seed", "5", "--revisions", "1"),
        *("--temperature", "0.5", "--top-p", "0.9", "--character", "Ann: a pilot", "--character", "Bo"),
        *("--source", str(source), "--request-id", "wishes-1"),
    )

    answer = json.loads(system.fabula("show", id_, "--json").stdout)

    stored = answer["request"].pop("source")["stored"]
    expected = {
        "premise": PREMISE,
        "genre": "fantasy",
        "tone": "quiet",
        "audience": "adults",
        "language": "en",
        "words": 120,
        "chapters": 2,
        "instructions": "no dragons",
        "seed": 5,
        "revisions": 1,
        "sampling": {"temperature": 0.5, "topP": 0.9},
        "characters": [{"name": "Ann", "description": "a pilot"}, {"name": "Bo"}],
    }
    assert expected == answer["request"]
    assert len(source.read_bytes()) == stored["sizeBytes"]
    assert "wishes-1" == answer["generation"]["requestId"]


def test_the_same_request_id_never_starts_two(system: System) -> None:
    """The same story again is the same generation; another one with that id is refused."""
    first = started(system, "--request-id", "once-1")

    assert first == started(system, "--request-id", "once-1")
    other = system.fabula("story", "Something else", "--no-watch", "--request-id", "once-1")
    assert (6, "") == (other.returncode, other.stdout)
    assert "this request id was used for another request" in other.stderr.lower()


def test_templates_are_listed_and_started_from(system: System) -> None:
    """What the command line says goes over what the template says."""
    listed = [line.split("\t") for line in system.fabula("templates").stdout.splitlines()]
    name = listed[0][0]

    done = system.fabula("story", "--template", name, "--words", "60", "--no-watch", "--json")

    id_ = json.loads(done.stdout)["generation"]["id"]
    template = next(one for one in json_lines(system.fabula("templates", "--json").stdout) if one["name"] == name)
    asked = json.loads(system.fabula("show", id_, "--json").stdout)["request"]
    assert (template["story"]["premise"], 60) == (asked["premise"], asked["words"])
    unknown = system.fabula("story", "--template", "nope", "--no-watch")
    assert 4 == unknown.returncode
    assert name in unknown.stderr


def test_stories_are_listed_shown_and_deleted(system: System) -> None:
    """Newest first; outline and reviews by themselves; deleting asks, and what is deleted is gone."""
    first, second = (system.fabula("story", f"{PREMISE} {n}", "--words", "80", "--json").stdout for n in (1, 2))
    ids = [json_lines(out)[0]["event"]["generationId"] for out in (first, second)]

    listed = [line.split("\t") for line in system.fabula("list", "--limit", "2").stdout.splitlines()]
    assert [ids[1], ids[0]] == [row[0] for row in listed]
    assert [["succeeded", "100%"]] * 2 == [row[1:3] for row in listed]
    assert "" == system.fabula("list", "--state", "failed").stdout
    text = system.fabula("show", ids[0]).stdout
    assert json_lines(first)[-1]["story"]["text"] == text
    assert system.fabula("show", ids[0], "--outline").stdout.startswith(text.splitlines()[0] + "\n")
    assert system.fabula("show", ids[0], "--reviews").stdout.startswith("# Review 1: ")
    unsure = system.fabula("delete", ids[0])
    assert (2, True) == (unsure.returncode, "add --yes" in unsure.stderr)
    assert (0, f"{ids[0]}\tdeleted\n") == ((done := system.fabula("delete", ids[0], "--yes")).returncode, done.stdout)
    gone = system.fabula("show", ids[0])
    assert (4, "", "Error: There is no such generation\n") == (gone.returncode, gone.stdout, gone.stderr)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["story", ""], 2, "give a premise or a source text"),
        (["story", "x", "--words", "7", "--top-p", "3"], 2, "  words: must be"),
        (["story", "x", "--source", "/nowhere"], 2, "--source /nowhere cannot be read"),
        (["watch", "story-0"], 4, "no such generation"),
        (["list", "--address", "127.0.0.1:1"], 5, "No story server answers at 127.0.0.1:1. Start everything with"),
        (["list", "--state", "lost"], 2, "--state"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(system: System, words: list[str], code: int, said: str) -> None:
    """With the exit code that belongs to it, nothing on standard output, and never a traceback."""
    done = system.fabula(*words)

    assert (code, "") == (done.returncode, done.stdout)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cancelled_story_stays_readable_and_its_watcher_is_told(slow: System) -> None:
    """The watcher ends with exit code 3; cancelling again is no error; what is written stays."""
    id_ = started(slow, "--words", "600")
    watcher = slow.begin("watch", id_)
    until_writing(slow, id_)

    assert 0 == slow.fabula("cancel", id_).returncode

    _, said = watcher.communicate(timeout=20)
    assert (3, "Cancelled") == (watcher.returncode, said.splitlines()[-1].partition("] ")[2])
    assert 0 == slow.fabula("cancel", id_).returncode
    assert "" != slow.fabula("show", id_).stdout
    assert 6 == slow.fabula("resume", id_).returncode
    assert 6 == slow.fabula("retry", id_).returncode


def test_a_paused_story_goes_on_where_it_was(slow: System) -> None:
    """Its text is kept, and the watcher sees it through to the end."""
    id_ = started(slow, "--words", "60")
    watcher = slow.begin("watch", id_, "--json")
    until_writing(slow, id_)

    assert 0 == slow.fabula("pause", id_).returncode
    until_state(slow, id_, State.STATE_PAUSED)
    before = slow.fabula("show", id_).stdout
    assert 0 == slow.fabula("resume", id_).returncode

    out, _ = watcher.communicate(timeout=40)
    sequences = [one["event"]["sequence"] for one in json_lines(out) if one["event"].get("sequence")]
    assert (0, list(range(1, len(sequences) + 1))) == (watcher.returncode, sequences)
    assert slow.fabula("show", id_).stdout.startswith(before.rstrip("\n"))


def test_ctrl_c_leaves_the_story_running(slow: System) -> None:
    """The watcher is told how to come back, and the story goes on."""
    id_ = started(slow, "--words", "400")
    watcher = slow.begin("watch", id_)
    assert watcher.stderr is not None
    assert watcher.stdout is not None
    assert watcher.stderr.readline().endswith(f"Accepted as {id_}\n")

    watcher.send_signal(signal.SIGINT)

    assert 130 == watcher.wait(20)
    said = watcher.stderr.read()
    watcher.stderr.close()
    watcher.stdout.close()
    assert "Detached; the story goes on without you." in said
    assert f"fabula watch {id_} --after " in said
    assert State.STATE_RUNNING == look(slow, id_).generation.state
    slow.fabula("cancel", id_)


def test_a_failed_story_is_retried(tmp_path: Path, useless_endpoint: str) -> None:
    """A model that is not there fails the story with exit code 1; with an author that is, a retry ends it well."""
    with System(tmp_path / "data", environment={"FABULA_TEXT_MODEL": useless_endpoint}) as system:
        failed = system.fabula("story", PREMISE, "--words", "80")
        assert 1 == failed.returncode, failed.stderr
        assert "MODEL_UNAVAILABLE" in failed.stderr
        id_ = json_lines(system.fabula("list", "--state", "failed", "--json").stdout)[0]["id"]
    with System(tmp_path / "data") as system:
        assert 6 == system.fabula("resume", id_).returncode
        assert 0 == system.fabula("retry", id_, "--from", "outline").returncode

        done = system.fabula("watch", id_)

        assert 0 == done.returncode, done.stderr
        assert "Mara" in done.stdout


def test_the_doctor_finds_a_running_system_well(system: System) -> None:
    """Every part is looked at."""
    done = system.fabula("doctor", "--json", seconds=60)

    findings = {finding["about"]: finding["verdict"] for finding in json.loads(done.stdout)}
    parts = ["nats-server", "data directory", "fabula up", "gateway port", "story port", "journal"]
    parts += ["story server", "story worker", "gateway", "text model"]
    assert dict.fromkeys(parts, "fine") == {part: findings[part] for part in parts}
    assert 0 == done.returncode, done.stdout


def test_the_doctor_says_what_to_do_about_what_is_not_there(tmp_path: Path) -> None:
    """Nothing runs, and the model's folder is empty."""
    nothing = System(tmp_path / "data", environment={"FABULA_TEXT_MODEL": f"transformers:{tmp_path}"})

    done = nothing.fabula("doctor", seconds=60)

    assert 1 == done.returncode
    assert "Start everything with: fabula up" in done.stdout
    assert f"{tmp_path} holds no model: there is no config.json" in done.stdout
    assert "Correct FABULA_TEXT_MODEL." in done.stdout


def test_every_process_is_well_by_the_health_command(system: System) -> None:
    """As the containers' health checks ask."""
    addresses = (
        [system.story_address],
        [system.story_address, "--service", "fabula.api.story.v1.StoryService"],
        [f"{system.url}/healthz"],
        [f"{system.url}/readyz"],
    )

    assert [0, 0, 0, 0] == [system.fabula("health", *words).returncode for words in addresses]


@pytest.mark.parametrize("name", ["nats-server", "story-server", "story-worker", "gateway"])
def test_a_killed_process_is_back_and_the_system_works(system: System, name: str) -> None:
    """Kill -9 of each in turn."""
    old = system.kill(name)

    assert old != system.until_replaced(name, old)
    assert 0 == system.fabula("story", PREMISE, "--words", "60").returncode
    assert 200 == ask_http(f"{system.url}/readyz")[0]


def test_it_stops_cleanly_and_leaves_nothing(tmp_path: Path) -> None:
    """All processes are gone, the status file too, and the exit code is 0."""
    system = System(tmp_path / "data")
    system.start()
    status = system.status
    assert status is not None
    pids = [process.pid for process in status.processes if process.pid]

    assert 0 == system.stop()

    assert [] == [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not (tmp_path / "data" / "up.json").exists()
    assert "all has stopped" in system.log_file.read_text()


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    """A process that does not answer is not waited for by who is in a hurry, and nothing is left behind."""
    system = System(tmp_path / "data", environment={"FABULA_DRAIN_SECONDS": "60"})
    system.start()
    status, process = system.status, system.process
    assert status is not None
    assert process is not None
    os.kill(system.pid_of("gateway"), signal.SIGSTOP)

    process.terminate()
    until(lambda: "stopping; once more" in system.log_file.read_text(), "stopping")
    process.terminate()

    assert 0 == process.wait(20)
    assert "killing everything" in system.log_file.read_text()
    assert [] == [one.pid for one in status.processes if Path(f"/proc/{one.pid}").exists()]
    system.stop()


def test_another_nats_server_is_used_where_one_is_named(system: System, tmp_path: Path) -> None:
    """No private one is started; its address, which may hold a password, is not shown."""
    assert system.status is not None
    with System(tmp_path / "data", environment={"FABULA_NATS_URL": system.status.nats_url}) as other:
        assert other.status is not None
        names = [process.name for process in other.status.processes]

        assert (["story-server", "story-worker", "gateway"], "") == (names, other.status.nats_url)
        assert started(other) in system.fabula("list").stdout
        assert system.status.nats_url not in other.log_file.read_text()


def test_nothing_outlives_a_killed_fabula_up(tmp_path: Path) -> None:
    """Kill -9 of the supervisor ends everything, and the next start works on the same data."""
    system = System(tmp_path / "data")
    system.start()
    status = system.status
    assert status is not None
    os.kill(status.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while any(Path(f"/proc/{process.pid}").exists() for process in status.processes):
        assert time.monotonic() < deadline, "a process has outlived its supervisor"
        time.sleep(POLL_SECONDS)
    assert system.process is not None
    system.process.wait()

    system.start()

    assert 0 == system.stop()


def test_two_systems_run_side_by_side(system: System, slow: System) -> None:
    """Each with its own ports and data: neither sees the other's stories."""
    own = started(system)

    assert own in system.fabula("list").stdout
    assert own not in slow.fabula("list", "--limit", "100").stdout


def test_a_second_system_on_the_same_data_is_refused(system: System) -> None:
    """It names the process that uses the data."""
    environment = {**system.settings, "FABULA_HTTP_PORT": str(free_port()), "FABULA_STORY_PORT": str(free_port())}
    done = subprocess.run([*FABULA, "up"], env=environment, capture_output=True, text=True, timeout=30, check=False)

    assert system.status is not None
    assert 6 == done.returncode
    assert f"is in use by process {system.status.pid}" in done.stderr
