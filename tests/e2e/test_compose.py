"""The composition: what docker-compose.yml and the Dockerfile say, and that it works, without a Docker engine."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from fabula.rpc.kinds import KINDS, Kind
from fabula.rpc.server import SERVER_OPTIONS
from fabula.settings import (
    CharacterServerSettings,
    CharacterWorkerSettings,
    GatewaySettings,
    ImageServerSettings,
    ImageWorkerSettings,
    ServerSettings,
    Settings,
    WorkerSettings,
    load,
)
from fabula.settings.limits import LimitSettings
from tests.e2e.composition import PROXY, ROOT, Composition, composed, interpolate, read
from tests.tiny_pipelines import build_tiny_sdxl

PROCESSES: dict[str, type[Settings]] = {
    "story-server": ServerSettings,
    "story-worker": WorkerSettings,
    "character-server": CharacterServerSettings,
    "character-worker": CharacterWorkerSettings,
    "image-server": ImageServerSettings,
    "image-worker": ImageWorkerSettings,
    "gateway": GatewaySettings,
}

PROXY_PORTS = {"story": 8081, "character": 8082, "image": 8083}
"""Where each service's proxy of gRPC-Web listens in its container."""


def stages() -> dict[str, str]:
    """Return the stages of the Dockerfile by name."""
    parts = re.split(r"^FROM .* AS (\S+)$", _dockerfile(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


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


def test_proxies_of_grpc_web_are_published_by_a_file_of_their_own_and_only_to_this_machine() -> None:
    """They lack the gateway's guard: whoever wants them has to say so."""
    more: Any = interpolate(yaml.safe_load((ROOT / "deploy" / "grpcwebproxy.published.yml").read_text()), {})

    published = {name: service["ports"] for name, service in more["services"].items()}
    assert {f"{name}-grpcweb": [f"127.0.0.1:{port}:{port}"] for name, port in PROXY_PORTS.items()} == published


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=lambda kind: kind.name)
def test_every_service_has_a_proxy_of_grpc_web_through_which_streams_may_last(kind: Kind) -> None:
    """It waits for its own service, is healthy when that is, and takes messages as large as the service does."""
    services, port = read({"FABULA_ALLOWED_ORIGINS": "https://a.example,https://b.example"}), PROXY_PORTS[kind.name]
    proxy = services[f"{kind.name}-grpcweb"]
    program, *flags = proxy["command"]
    largest = dict(SERVER_OPTIONS)["grpc.max_receive_message_length"]

    assert PROXY == program
    assert {
        f"--backend_addr={kind.name}-server:{kind.port}",
        f"--server_http_debug_port={port}",
        "--server_http_max_read_timeout=5m",
        "--server_http_max_write_timeout=0s",
        "--run_tls_server=false",
        f"--backend_max_call_recv_msg_size={largest}",
        "--backend_backoff_max_delay=5s",
        "--allowed_origins=https://a.example,https://b.example",
    } <= set(flags)
    assert not {"--allow_all_origins", "--enable_health_check_service"} & set(flags)
    assert {f"{kind.name}-server"} == set(proxy["depends_on"])
    assert f" http://127.0.0.1:{port}/grpc.health.v1.Health/Check " in proxy["healthcheck"]["test"][-1]


def test_the_proxy_of_grpc_web_is_built_from_its_source_in_one_version() -> None:
    """Which is named, and it never runs as root."""
    build = read()["story-grpcweb"]["build"]
    dockerfile = (ROOT / build["context"] / build["dockerfile"]).read_text()
    running = dockerfile.rpartition("FROM ")[2]

    assert re.search(r"^ARG GRPCWEBPROXY=v\d+\.\d+\.\d+$", dockerfile, re.MULTILINE)
    assert "go install -trimpath github.com/improbable-eng/grpc-web/go/grpcwebproxy@${GRPCWEBPROXY}" in dockerfile
    assert "USER fabula" in running
    assert "USER root" not in dockerfile


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


def test_torch_is_only_where_models_run() -> None:
    """Servers, gateway and the plain story worker are small; torch is installed in one place."""
    parents = {child: parent for parent, child in re.findall(r"^FROM (\S+) AS (\S+)$", _dockerfile(), re.MULTILINE)}

    def holds_torch(name: str) -> bool:
        copied = re.search(r"^COPY --from=(\S+)", stages().get(name, ""), re.MULTILINE)
        return name == "build-torch" or any(
            holds_torch(other) for other in (parents.get(name, ""), copied[1] if copied else "") if other in stages()
        )

    assert ["build-torch"] == [name for name, text in stages().items() if "torch==" in text]
    deployed = [name for name in stages() if not name.startswith(("build", "base"))]
    assert {"story-worker-torch", "image-worker"} == {name for name in deployed if holds_torch(name)}


def test_every_generator_has_its_server_and_worker_and_the_gateway_knows_it() -> None:
    """A new kind is not forgotten here; each listens where its contract says, and each worker's health on its own."""
    services = read()

    for kind in KINDS.values():
        assert f"127.0.0.1:{kind.port}" in services[f"{kind.name}-server"]["healthcheck"]["test"]
        assert (
            f"{kind.name}-server:{kind.port}"
            == services["gateway"]["environment"][f"FABULA_{kind.name.upper()}_ADDRESS"]
        )
        assert f"{kind.name}-server" in services["gateway"]["depends_on"]
    workers = [services[f"{name}-worker"]["environment"]["FABULA_WORKER_PORT"] for name in KINDS]
    assert len(KINDS) == len(set(workers))


@pytest.mark.parametrize("secret", ["", "s" * 32])
@pytest.mark.parametrize("name", list(PROCESSES))
def test_each_process_accepts_its_environment(name: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the container's addresses as they are, which other containers reach: with a secret and without."""
    for variable, value in read({"FABULA_JWT_SECRET": secret})[name]["environment"].items():
        monkeypatch.setenv(variable, value)

    settings: Any = load(PROCESSES[name])

    assert (secret or None) == (settings.jwt_secret and settings.jwt_secret.get_secret_value())


def test_what_clients_may_do_is_a_setting_of_the_composition() -> None:
    """All of it: whoever opens the gateway has to be able to say so."""
    ours = [name for name in LimitSettings.model_fields if name not in Settings.model_fields]
    ours += ["allowed_origins", "grpc_web_message_bytes", "keepalive_seconds", "start_wait_seconds", "answer_seconds"]
    wanted = {f"FABULA_{name.upper()}": f"as {name} says" for name in [*ours, "webhooks_per_owner"]}
    services = read(wanted)
    for name, service in services.items():
        if name == "gateway":
            assert {key: wanted[key] for key in list(wanted)[:-1]}.items() <= service["environment"].items()
        elif name in PROCESSES:
            assert "as webhooks_per_owner says" == service["environment"]["FABULA_WEBHOOKS_PER_OWNER"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """The whole composition; without its proxies of gRPC-Web, where those are not installed. All end when asked to."""
    folder = tmp_path_factory.mktemp("composition")
    painter = build_tiny_sdxl(folder / "painter")
    variables = {"FABULA_GRAMMAR_WORDS_PER_SECOND": "0", "FABULA_IMAGE_MODEL": f"diffusers:{painter}"}
    with composed(folder, variables) as running:
        yield running
        # A proxy does not end by itself when it is asked to: the signal ends it.
        expected = {name: -signal.SIGTERM if name.endswith("-grpcweb") else 0 for name in running.services}
        assert expected == running.down()


@pytest.mark.timeout(300)
def test_a_story_a_character_and_a_picture_are_made_by_the_composition(system: Composition) -> None:
    """All services become healthy in order of dependence; all are asked for over REST, and watched to their ends."""
    story = {"premise": "Mira finds a lantern that hums beneath the old mill.", "words": 200}
    picture = {"prompt": "a castle by the sea", "width": 64, "height": 64, "steps": 4}
    with httpx.Client(base_url=f"http://{system.address(8080)}", timeout=60) as browser:
        told = watched(browser, "/v1/stories", story)
        made = watched(browser, "/v1/characters", {"description": "a brave knight of forty", "seed": 7})
        until_painting(browser)
        painted = watched(browser, "/v1/images", picture)
        image = browser.get(f"/v1/images/{painted['generation']['id']}")

    assert "Mira" in json.dumps(told)
    assert (40, "knight") == (made["character"]["details"]["age"], made["character"]["details"]["profession"])
    assert (200, "image/png", b"\x89PNG") == (image.status_code, image.headers["content-type"], image.content[:4])


@pytest.mark.skipif(shutil.which(PROXY) is None, reason=f"there is no {PROXY} on PATH: the composition ran without it")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", list(KINDS.values()), ids=lambda kind: kind.name)
def test_each_service_of_the_composition_is_reached_through_its_proxy(system: Composition, kind: Kind) -> None:
    """By gRPC-Web, with the flags of the file."""
    url = f"http://{system.address(PROXY_PORTS[kind.name])}{kind.path('ListGenerations')}"
    answer = httpx.post(url, content=bytes(5), headers={"content-type": "application/grpc-web+proto"})

    assert b"grpc-status: 0" in answer.content.lower(), answer.content


def until_painting(browser: httpx.Client) -> None:
    """Wait until a worker has loaded its model."""
    deadline = time.monotonic() + 90
    while not browser.get("/v1/images/model").is_success:
        assert time.monotonic() < deadline, browser.get("/v1/images/model").text
        time.sleep(0.2)


def watched(browser: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    """Start a generation, watch it to its end, and return it; every event comes once."""
    started = browser.post(path, json=body)
    assert started.is_success, started.text
    id_ = started.json()["id"]
    with browser.stream("GET", f"/v1/generations/{id_}/events") as stream:
        lines = list(stream.iter_lines())
    *events, end = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    assert list(range(1, end + 1)) == events  # the event "ended" repeats the last cursor
    ended = browser.get(f"/v1/generations/{id_}").json()
    assert "STATE_SUCCEEDED" == ended["generation"]["state"], ended
    return ended
