"""The composition: what docker-compose.yml and the Dockerfile say, and that it works, without a Docker engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from fabula.settings import GatewaySettings, ServerSettings, Settings, WorkerSettings, load
from tests.e2e.composition import ROOT, composed, read

PROCESSES: dict[str, type[Settings]] = {
    "story-server": ServerSettings,
    "story-worker": WorkerSettings,
    "gateway": GatewaySettings,
}


def stages() -> dict[str, str]:
    """Return the stages of the Dockerfile by name."""
    parts = re.split(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_service_has_a_health_check_and_waits_for_healthy_ones_only() -> None:
    """Nothing starts on luck."""
    services = read()

    for name, service in services.items():
        assert "test" in service["healthcheck"], name
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            assert how == {"condition": "service_healthy"}


def test_only_the_gateway_is_published_and_only_to_this_machine() -> None:
    """Opening it further is a decision of whoever runs it."""
    published = {name: service["ports"] for name, service in read().items() if "ports" in service}

    assert {"gateway": ["127.0.0.1:8080:8080"]} == published


def test_the_published_port_is_a_setting() -> None:
    """The same variable as everywhere."""
    assert ["127.0.0.1:9000:8080"] == read({"FABULA_HTTP_PORT": "9000"})["gateway"]["ports"]


@pytest.mark.parametrize("name", list(PROCESSES))
def test_images_and_composition_run_the_same_command(name: str) -> None:
    """Each service is built from a stage that exists and, run alone, does the same; never as root."""
    service = read()[name]
    stage = stages()[service["build"]["target"]]

    command = re.search(r"^CMD (\[.*\])$", stage, re.MULTILINE)
    assert command is not None
    assert service["command"] == json.loads(command[1])
    assert "USER fabula" in stages()["base"]
    assert "USER root" not in stage


def test_images_are_built_from_what_a_fresh_clone_has() -> None:
    """Whatever the Dockerfile copies from the context is let into it, and is more than generated code."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", stages()["build"], re.MULTILINE)
    copied = {name for line in lines for name in line.split()[:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert let_in == copied
    for name in copied:
        files = (
            [ROOT / name] if (ROOT / name).is_file() else [path for path in (ROOT / name).rglob("*") if path.is_file()]
        )
        assert [path for path in files if "_pb2" not in path.name], f"a fresh clone has no {name}"


def test_torch_is_in_one_image_only() -> None:
    """Server, gateway and the plain worker are small."""
    with_torch = {name for name, text in stages().items() if "torch==" in text or "build-worker-torch" in text}

    assert {"build-worker-torch", "story-worker-torch"} == with_torch


@pytest.mark.parametrize("secret", ["", "s" * 32])
@pytest.mark.parametrize("name", list(PROCESSES))
def test_each_process_accepts_its_environment(name: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the container's addresses as they are, which other containers reach: with a secret and without."""
    for variable, value in read({"FABULA_JWT_SECRET": secret})[name]["environment"].items():
        monkeypatch.setenv(variable, value)

    settings: Any = load(PROCESSES[name])

    assert (secret or None) == (settings.jwt_secret and settings.jwt_secret.get_secret_value())


@pytest.mark.timeout(120)
def test_a_story_is_written_by_the_composition(tmp_path: Path) -> None:
    """All services become healthy in order of dependence; a story is asked for over REST and watched to its end."""
    story = {"premise": "Mira finds a lantern that hums beneath the old mill.", "words": 200}
    with composed(tmp_path, {"FABULA_GRAMMAR_WORDS_PER_SECOND": "0"}) as system:
        with httpx.Client(base_url=f"http://{system.address(8080)}", timeout=30) as browser:
            started = browser.post("/v1/stories", json=story)
            assert started.is_success, started.text
            id_ = started.json()["id"]
            with browser.stream("GET", f"/v1/generations/{id_}/events") as stream:
                lines = list(stream.iter_lines())
            ended = browser.get(f"/v1/generations/{id_}").json()
        codes = system.down()

    sequences = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    *events, end = sequences  # the event "ended" repeats the last cursor
    assert list(range(1, end + 1)) == events
    assert "STATE_SUCCEEDED" in json.dumps(ended)
    assert "Mira" in json.dumps(ended)
    assert dict.fromkeys(system.services, 0) == codes
