"""Pictures through the whole system, as `fabula up` runs it, painted by a tiny pipeline of diffusers."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from fabula.cli.up_status import read_status
from tests.system import POLL_SECONDS, System, json_lines
from tests.tiny_pipelines import build_tiny_sdxl

pytestmark = pytest.mark.timeout(240)  # torch is imported, twice perhaps, on a busy machine


@pytest.fixture(name="system", scope="module")
def _system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system with both generators."""
    painter = build_tiny_sdxl(tmp_path_factory.mktemp("painter") / "tiny")
    environment = {"FABULA_IMAGE_MODEL": f"diffusers:{painter}"}
    with System(tmp_path_factory.mktemp("up") / "data", generators="story,image", environment=environment) as system:
        deadline = time.monotonic() + 120
        while not httpx.get(f"{system.url}/v1/images/model").is_success:  # `up` does not wait for it for ever
            assert time.monotonic() < deadline, system.log_file.read_text(errors="replace")
            time.sleep(0.2)
        yield system


def test_up_runs_both_generators(system: System) -> None:
    """Servers and workers of each, every one ready; the doctor finds nothing wrong with them."""
    deadline = time.monotonic() + 30
    while (status := system.status) is None or any(process.phase != "ready" for process in status.processes):
        assert time.monotonic() < deadline, status
        time.sleep(POLL_SECONDS)
    findings = {one["about"]: one for one in json.loads(system.fabula("doctor", "--json", seconds=120).stdout)}

    names = ["nats-server", "story-server", "image-server", "story-worker", "image-worker", "gateway"]
    assert names == [process.name for process in status.processes]
    assert {"story": system.story_address, "image": system.image_address} == dict(status.addresses)
    for about in ("story server", "story worker", "image server", "image worker", "painter", "gateway", "torch"):
        assert "fine" == findings[about]["verdict"], findings[about]
    assert "tiny on cpu" in findings["painter"]["text"]


def test_a_picture_is_asked_for_watched_and_saved(system: System, tmp_path: Path) -> None:
    """The same seed paints the same picture; the gateway has its bytes as well."""
    for name in ("one.png", "two.png"):
        options = ("-o", str(tmp_path / name), "--steps", "4", "--width", "64", "--height", "64", "--seed", "7")
        done = system.fabula("image", "a castle by the sea", *options, seconds=100)
        assert (0, f"{tmp_path / name}\n") == (done.returncode, done.stdout), done.stderr
        assert "[100%] Finished: 1 picture of 64 × 64, by tiny" in done.stderr
    one, two = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    listed = json_lines(system.fabula("list", "--json").stdout)
    downloaded = httpx.get(f"{system.url}/v1/images/{listed[0]['id']}")

    assert ((64, 64), "PNG") == ((image := Image.open(io.BytesIO(one))).size, image.format)
    assert one == two == downloaded.content
    assert ["image", "image"] == [each["kind"] for each in listed]


def test_a_killed_painter_costs_no_picture(system: System, tmp_path: Path) -> None:
    """The worker dies in the middle, is started again, and the picture comes."""
    process = system.begin("image", "a castle", "-o", str(tmp_path / "castle.png"), "--steps", "30", "--seed", "7")
    deadline = time.monotonic() + 60
    while not (running := json_lines(system.fabula("list", "--state", "running", "--json").stdout)):
        assert time.monotonic() < deadline
    system.kill("image-worker")
    out, err = process.communicate(timeout=150)

    assert (0, f"{tmp_path / 'castle.png'}\n") == (process.returncode, out), err
    assert "Another worker has taken it" in err
    assert "image" == running[0]["kind"]


def test_without_torch_there_is_all_else_and_a_line_that_says_so(tmp_path: Path) -> None:
    """What pictures lack, and how to have them; everything else runs, and ends well."""
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"  # as if it were not installed
        "sys.argv = ['fabula', 'up']\n"
        "from fabula.cli.main import main\nmain()\n"
    )
    system = System(tmp_path / "data", generators="")
    with system.log_file.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", code], env=system.settings, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while (status := read_status(system.data_dir)) is None or not status.ready:
        assert process.poll() is None, system.log_file.read_text(errors="replace")
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
    there_are = httpx.get(f"{system.url}/readyz").json()
    process.send_signal(signal.SIGINT)

    assert 0 == process.wait(30)
    assert ["story", "character"] == list(status.addresses)
    assert {"status": "ok", "services": {"story": "SERVING", "character": "SERVING"}} == there_are
    said = system.log_file.read_text(errors="replace")
    assert "without pictures: torch not installed. To have them: make setup, or pip install '.[image,painting]'" in said
    assert "image-server" not in said
