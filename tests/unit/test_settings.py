"""Settings: what each process is told, checked together and before anything starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from fabula.errors import InvalidRequest
from fabula.settings import (
    ClientSettings,
    GatewaySettings,
    ServerSettings,
    Settings,
    StorySettings,
    UpSettings,
    WorkerSettings,
    is_loopback,
    load,
)
from fabula.settings.webhooks import WebhookSettings
from fabula.webhooks.registry import DEAD, Webhook

SECRET = "k" * 32


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take Fabula's variables of whoever runs the tests away."""
    for name in [name for name in os.environ if name.startswith("FABULA_")]:
        monkeypatch.delenv(name)


def problems_of(cls: type[Settings], **overrides: object) -> list[str]:
    """Return the variables that are refused."""
    try:
        load(cls, **overrides)
    except InvalidRequest as refusal:
        return [variable for variable, _ in refusal.violations]
    return []


@pytest.mark.parametrize("cls", [UpSettings, GatewaySettings, ClientSettings])
def test_everything_but_the_journal_has_a_default(cls: type[Settings]) -> None:
    """An empty environment is enough for these."""
    assert load(cls) == load(cls)


@pytest.mark.parametrize("cls", [ServerSettings, WorkerSettings, StorySettings])
def test_a_process_without_its_own_journal_needs_an_address(cls: type[Settings]) -> None:
    """The message names the variable and the way out."""
    with pytest.raises(InvalidRequest, match=r"FABULA_NATS_URL is not set: .*`fabula up`"):
        load(cls)


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start a process as often as there are mistakes."""
    monkeypatch.setenv("FABULA_HTTP_PORT", "70000")
    monkeypatch.setenv("FABULA_WORKER_SLOTS", "many")
    monkeypatch.setenv("FABULA_DEVICE", "gpu")
    monkeypatch.setenv("FABULA_NATS_URL", "http://nats:4222")
    monkeypatch.setenv("FABULA_NATS_REPLICAS", "2")
    monkeypatch.setenv("FABULA_STORY_HOST", "0.0.0.0")

    expected = {
        "FABULA_HTTP_PORT",
        "FABULA_WORKER_SLOTS",
        "FABULA_DEVICE",
        "FABULA_NATS_URL",
        "FABULA_NATS_REPLICAS",
        "FABULA_STORY_HOST",
    }
    assert expected == set(problems_of(UpSettings))


def test_the_message_has_a_line_for_each_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads it as it is."""
    monkeypatch.setenv("FABULA_HTTP_PORT", "70000")
    monkeypatch.setenv("FABULA_LOG_LEVEL", "loud")

    with pytest.raises(InvalidRequest) as refusal:
        load(GatewaySettings)

    expected = (
        "2 settings cannot be used:\n"
        "  FABULA_LOG_LEVEL should be 'debug', 'info', 'warning' or 'error'.\n"
        "  FABULA_HTTP_PORT should be less than or equal to 65535.\n"
        "All settings: docs/settings.md"
    )
    assert expected == refusal.value.message


def test_a_problem_that_follows_from_another_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that is made from a port says nothing of its own when the port is wrong."""
    monkeypatch.setenv("FABULA_STORY_PORT", "none")

    assert ["FABULA_STORY_PORT"] == problems_of(GatewaySettings)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files hand on what is empty."""
    monkeypatch.setenv("FABULA_JWT_SECRET", "")
    monkeypatch.setenv("FABULA_HTTP_PORT", "")

    settings = load(GatewaySettings)

    assert (None, 8080) == (settings.jwt_secret, settings.http_port)


def test_what_is_handed_over_wins_and_none_means_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags go before the environment, the environment before the default."""
    monkeypatch.setenv("FABULA_HTTP_PORT", "9000")
    monkeypatch.setenv("FABULA_STORY_PORT", "9001")

    settings = load(GatewaySettings, http_port=9002, story_port=None)

    assert (9002, 9001) == (settings.http_port, settings.story_port)


def test_clients_find_the_story_server_on_this_machine_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port alone moves the address with it; an address of its own wins."""
    monkeypatch.setenv("FABULA_STORY_PORT", "9001")
    assert load(ClientSettings).story_address == "127.0.0.1:9001"

    monkeypatch.setenv("FABULA_STORY_ADDRESS", "story-server:50051")
    assert load(ClientSettings).story_address == "story-server:50051"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_known_by_its_address(host: str, expected: bool) -> None:
    """Whatever is not surely loopback counts as open."""
    assert expected == is_loopback(host)


@pytest.mark.parametrize(
    ("cls", "host"),
    [
        (ServerSettings, "story_host"),
        (WorkerSettings, "worker_host"),
        (GatewaySettings, "http_host"),
        (UpSettings, "http_host"),
        (UpSettings, "story_host"),
    ],
)
def test_an_open_address_needs_authentication_or_a_plain_word(cls: type[Settings], host: str) -> None:
    """Refused without both; each of them opens it."""
    opened = {host: "0.0.0.0", "nats_url": "nats://n:4222"}
    if cls is GatewaySettings:
        del opened["nats_url"]

    assert [f"FABULA_{host.upper()}"] == problems_of(cls, **opened)
    assert getattr(load(cls, **opened, jwt_secret=SECRET), host) == "0.0.0.0"
    assert getattr(load(cls, **opened, auth="off"), host) == "0.0.0.0"


def test_required_authentication_needs_a_secret() -> None:
    """Asking for it without the means is a mistake that is found at the start."""
    assert ["FABULA_AUTH"] == problems_of(GatewaySettings, auth="required")
    assert load(GatewaySettings, auth="required", jwt_secret=SECRET).auth == "required"


def test_a_key_set_is_authentication_too() -> None:
    """It opens addresses, as a secret does; services need the secret beside it, the gateway does not."""
    keys = "https://id.example/keys"
    assert load(GatewaySettings, jwks=keys, auth="required", http_host="0.0.0.0").jwks == keys
    assert ["FABULA_JWKS"] == problems_of(ServerSettings, nats_url="nats://n:1", jwks=keys)
    assert ["FABULA_JWKS"] == problems_of(WorkerSettings, nats_url="nats://n:1", jwks=keys, worker_host="0.0.0.0")
    assert load(ServerSettings, nats_url="nats://n:1", jwks=keys, jwt_secret=SECRET, story_host="::").jwks == keys


@pytest.mark.parametrize(
    ("source", "fits"),
    [
        ("https://id.example/keys", True),
        ("http://127.0.0.1:9000/keys", True),
        ("http://localhost/keys", True),
        ("http://[::1]:9000/keys", True),
        ("http://id.example/keys", False),
        ("http://localhost.evil.example/keys", False),
        ("ftp://127.0.0.1/keys", False),
        ("file:///etc/hostname", False),
        ("https://", False),
        ("/no/such/file", False),
        (__file__, True),
    ],
)
def test_keys_are_fetched_by_https_or_from_this_machine(source: str, *, fits: bool) -> None:
    """Who could change them on their way could sign as anybody."""
    assert ([] if fits else ["FABULA_JWKS"]) == problems_of(GatewaySettings, jwks=source)


@pytest.mark.parametrize(
    ("name", "fits"), [("s", True), ("__Host-s", True), ("", False), ("a b", False), ("a=b", False)]
)
def test_a_cookie_has_a_name_that_browsers_take(name: str, *, fits: bool) -> None:
    """No blanks, and nothing that ends it."""
    assert ([] if fits else ["FABULA_SESSION_COOKIE"]) == problems_of(GatewaySettings, session_cookie=name)


def test_a_short_secret_is_refused_once_and_for_all() -> None:
    """Its consequences for other settings are not listed as problems of their own."""
    assert ["FABULA_JWT_SECRET"] == problems_of(GatewaySettings, jwt_secret="short", auth="required", http_host="::")


def test_secrets_are_not_shown() -> None:
    """Neither when settings are printed nor when they are refused."""
    settings = load(UpSettings, jwt_secret=SECRET, text_api_key="sk-hidden", nats_url="nats://me:pass@nats:4222")

    for secret in (SECRET, "sk-hidden", "pass"):
        assert secret not in repr(settings)
    with pytest.raises(InvalidRequest) as refusal:
        load(UpSettings, jwt_secret="tooshort", nats_url="http://me:pass@nats")
    assert "tooshort" not in refusal.value.message
    assert "pass" not in refusal.value.message


def test_settings_cannot_be_changed() -> None:
    """They are read once."""
    with pytest.raises(ValueError, match="frozen"):
        load(GatewaySettings).http_port = 1


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """`as_environment` is read back to an equal object."""
    settings = load(
        UpSettings, jwt_secret=SECRET, http_port=9000, nats_url="nats://n:1", allowed_origins="https://a.example"
    )

    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)

    assert settings == load(UpSettings)


def test_as_many_webhooks_as_an_owner_may_have_fit_into_one_record() -> None:
    """However long each of them is."""
    most = 200
    long = Webhook("webhook-" + "x" * 36, "x" * 2048, 1e9 / 3, "x" * 64, 1e9 / 3, "\U0001f989" * 200,
                   ("character",) * 3, ("STATE_SUCCEEDED",) * 3, "x" * 64, 1e9 / 3, DEAD, 1e9 / 3)  # fmt: skip

    assert most * len(json.dumps(asdict(long))) < 1 << 20
    assert ["FABULA_WEBHOOKS_PER_OWNER"] == problems_of(WebhookSettings, webhooks_per_owner=most + 1)
    assert [] == problems_of(WebhookSettings, webhooks_per_owner=most)


def test_origins_are_listed_with_commas() -> None:
    """Spaces do not matter; what is no origin is refused."""
    settings = load(GatewaySettings, allowed_origins="https://a.example, http://b.example:8000,")
    as_sent = load(GatewaySettings, allowed_origins="HTTPS://A.Example:443,http://b:80,https://c:80,http://[::80]")

    assert ("https://a.example", "http://b.example:8000") == settings.allowed_origins
    assert ("https://a.example", "http://b", "https://c:80", "http://[::80]") == as_sent.allowed_origins
    for wrong in ("a.example", "https://a.example/page", "https://", "*"):
        assert ["FABULA_ALLOWED_ORIGINS"] == problems_of(GatewaySettings, allowed_origins=wrong)


@pytest.mark.parametrize(
    ("root", "expected"), [("/data", Path("/data/fabula")), ("relative", Path.home() / ".local/share/fabula")]
)
def test_data_lies_where_the_platform_keeps_it(root: str, expected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_DATA_HOME counts when it is absolute, as its specification says."""
    monkeypatch.setenv("XDG_DATA_HOME", root)

    assert expected == load(UpSettings).data_dir


def test_a_process_that_cannot_use_its_settings_ends_with_code_2() -> None:
    """The problems are on standard error, without a traceback."""
    program = "from fabula.settings import ServerSettings, load_or_exit; load_or_exit(ServerSettings)"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert ended.stderr.startswith("A setting cannot be used:\n  FABULA_NATS_URL is not set")


def test_the_page_of_settings_says_what_the_classes_say() -> None:
    """docs/settings.md is written by a script from the classes, and up to date."""
    script = Path(__file__).parents[2] / "scripts" / "settings_page.py"

    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)

    assert (0, "") == (checked.returncode, checked.stderr)
