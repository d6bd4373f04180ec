"""What `fabula up` runs, with which settings, and what it says when it is ready."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabula.cli import parts
from fabula.cli.up_banner import banner
from fabula.cli.up_services import loads_a_model, services_of
from fabula.cli.up_status import ProcessStatus, UpStatus, read_status, write_status
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import CHARACTER, IMAGE, KINDS, STORY
from fabula.settings import ClientSettings, GatewaySettings, UpSettings, load

NATS = "nats://127.0.0.1:4222"


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UpSettings:
    """Settings with ports of their own."""
    monkeypatch.setenv("FABULA_WORKER_PORT", "6001")
    return load(UpSettings, data_dir=tmp_path, story_port=7001, image_port=7002, http_port=7003)


def test_servers_come_first_then_workers_and_the_gateway(settings: UpSettings) -> None:
    """Those of one row beside each other; nobody waits for a worker that loads a model."""
    services = services_of(settings, list(KINDS.values()), NATS)

    names = [f"{kind}-{role}" for role in ("server", "worker") for kind in ("story", "character", "image")]
    assert [*names, "gateway"] == [one.name for one in services]
    assert [False, True, True, False, True, True, True] == [one.beside for one in services]
    assert ["image-worker"] == [one.name for one in services if not one.awaited]
    assert [False, False, True] == [loads_a_model(kind) for kind in (STORY, CHARACTER, IMAGE)]


def test_each_worker_answers_for_its_health_on_a_port_of_its_own(settings: UpSettings) -> None:
    """The one that is set, and those that follow it; every process is told the journal and the generators."""
    services = {one.name: one.environment for one in services_of(settings, list(KINDS.values()), NATS)}

    assert ["6001", "6002", "6003"] == [services[f"{name}-worker"]["FABULA_WORKER_PORT"] for name in KINDS]
    for environment in services.values():
        assert (NATS, "story,character,image") == (environment["FABULA_NATS_URL"], environment["FABULA_GENERATORS"])
    assert "7002" == services["image-server"]["FABULA_IMAGE_PORT"]


def test_without_a_port_workers_are_given_free_ones(settings: UpSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never the same one."""
    monkeypatch.delenv("FABULA_WORKER_PORT")
    services = services_of(load(UpSettings), list(KINDS.values()), NATS)

    assert 3 == len({one.environment["FABULA_WORKER_PORT"] for one in services if one.name.endswith("-worker")})


def test_only_what_is_wanted_runs(settings: UpSettings) -> None:
    """And the gateway is told so."""
    services = services_of(settings, [STORY], NATS)

    assert ["story-server", "story-worker", "gateway"] == [one.name for one in services]
    assert "story" == services[-1].environment["FABULA_GENERATORS"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", ["story", "character", "image"]), ("story", ["story"]), (" image , story ", ["story", "image"])],
)
def test_generators_are_named_by_a_setting(value: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """All there are, unless some are named; where each is found is a setting as well."""
    monkeypatch.setenv("FABULA_GENERATORS", value)
    monkeypatch.setenv("FABULA_IMAGE_ADDRESS", "images:1")

    assert expected == [kind for kind in KINDS if load(GatewaySettings).has(kind)]
    assert expected == [kind.name for kind in parts.wanted(load(UpSettings))]
    assert "images:1" == load(ClientSettings).address_of("image")


def test_a_generator_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that do."""
    monkeypatch.setenv("FABULA_GENERATORS", "story,poem")
    with pytest.raises(InvalidRequest, match=r"FABULA_GENERATORS should be some of image, character, story"):
        load(GatewaySettings)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a generator, all that its worker needs; with what to do."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in {"torch", "PIL"} else object())

    assert ([], ["PIL", "torch"]) == (parts.missing_for(STORY), parts.missing_for(IMAGE))
    assert ["PIL"] == parts.missing_for(CHARACTER)
    assert "make setup, or pip install '.[image,painting]' in Fabula's folder" == parts.how_to_get(IMAGE)


def test_the_banner_says_where_everything_is_and_what_is_not_ready(settings: UpSettings) -> None:
    """Commands that work here: with the address where it is not the usual one."""
    addresses = {"story": "127.0.0.1:50051", "character": "127.0.0.1:50052", "image": "127.0.0.1:7002"}
    status = UpStatus(1, ready=True, url="http://127.0.0.1:7003", addresses=addresses, nats_url=NATS, processes=())
    text = banner(settings, status, ("image-worker",)).plain
    alone = banner(settings, UpStatus(1, True, "", {"story": "127.0.0.1:50051"}, "", ())).plain

    assert 'story "A keeper' in text
    assert 'character "A brave knight' in text
    assert "character service 127.0.0.1:50052" in text
    assert "the bundled looker" in text
    assert 'image --address 127.0.0.1:7002 "A castle' in text
    assert "no key; still loading" in text
    assert "painter" not in alone
    assert "avatars" not in text + alone


def test_the_banner_says_that_nobody_paints_avatars(settings: UpSettings) -> None:
    """Where characters are made, and pictures are not."""
    addresses = {"story": "127.0.0.1:50051", "character": "127.0.0.1:50052"}
    text = banner(settings, UpStatus(1, True, "", addresses, "", ())).plain

    assert "avatars           none: no pictures are painted here" in text


def test_the_status_file_names_the_servers(tmp_path: Path) -> None:
    """As they were written they are read again, while the process lives."""
    process = ProcessStatus("gateway", "ready", 7, 0)
    status = UpStatus(os.getpid(), True, "http://x", {"story": "a:1", "image": "b:2"}, NATS, (process,))
    write_status(tmp_path, status)

    assert status == read_status(tmp_path)
