"""`fabula token`, and that no process can be reached from elsewhere without asking for one."""

from __future__ import annotations

import subprocess
import sys
import time

import jwt
import pytest

from fabula.rpc.auth import Authenticator, Expected
from tests.system import FABULA, free_port, plain_environment

SECRET = "a secret of more than thirty-two bytes"
AUDIENCE = {"FABULA_JWT_ISSUER": "https://id.example", "FABULA_JWT_AUDIENCE": "stories"}
PROCESSES = {
    "gateway": (("gateway",), "FABULA_HTTP_HOST"),
    "story server": (("services.story", "server"), "FABULA_STORY_HOST"),
    "story worker": (("services.story", "worker"), "FABULA_WORKER_HOST"),
    "story, both": (("services.story",), "FABULA_STORY_HOST"),
    "character server": (("services.character", "server"), "FABULA_CHARACTER_HOST"),
    "character worker": (("services.character", "worker"), "FABULA_WORKER_HOST"),
    "image server": (("services.image", "server"), "FABULA_IMAGE_HOST"),
    "image worker": (("services.image", "worker"), "FABULA_WORKER_HOST"),
    "up, its gateway": (("fabula.cli", "up"), "FABULA_HTTP_HOST"),
    "up, its workers": (("fabula.cli", "up"), "FABULA_WORKER_HOST"),
}


def fabula(*words: str, **environment: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it says, by both ways."""
    done = subprocess.run(
        [*FABULA, *words], env=plain_environment(**environment), capture_output=True, text=True, timeout=50, check=False
    )
    return done.returncode, done.stdout.strip(), done.stderr


def test_a_token_is_one_that_the_servers_accept() -> None:
    """Of the owner and for the time that were asked for, with the claims that are configured."""
    words = ("token", "--owner", "ann", "--hours", "2")
    code, token, said = fabula(*words, FABULA_JWT_SECRET=SECRET, **AUDIENCE)
    identity = Authenticator(SECRET, expected=Expected(*AUDIENCE.values())).check(token)

    assert (0, "") == (code, said)
    assert "ann" == identity.owner
    assert identity.expires == pytest.approx(time.time() + 2 * 3600, abs=90)


def test_a_token_has_an_owner_and_a_time_of_itself() -> None:
    """Half a day."""
    _, token, _ = fabula("token", FABULA_JWT_SECRET=SECRET)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])

    assert ("developer", 12 * 3600) == (claims["sub"], claims["exp"] - claims["iat"])


@pytest.mark.parametrize(
    ("words", "environment", "reason"),
    [
        ((), {}, "FABULA_JWT_SECRET is not set"),
        ((), {"FABULA_JWT_SECRET": "short"}, "FABULA_JWT_SECRET is too short"),
        ((), {"FABULA_JWT_SECRET": SECRET, "FABULA_JWKS": "https://id.example/keys"}, "identity provider"),
        (("--owner", ""), {"FABULA_JWT_SECRET": SECRET}, "printable characters"),
    ],
)
def test_a_token_that_would_not_hold_is_not_made(
    words: tuple[str, ...], environment: dict[str, str], reason: str
) -> None:
    """A sentence says why, and the secret is not shown."""
    code, token, said = fabula("token", *words, **environment)

    assert (2, "") == (code, token)
    assert reason in said
    assert SECRET not in said


@pytest.mark.parametrize("name", PROCESSES)
def test_no_process_binds_an_open_address_without_authentication(name: str) -> None:
    """It ends with code 2 before it has listened, and says which variable it is."""
    module, variable = PROCESSES[name]
    more = {"FABULA_NATS_URL": f"nats://127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", *module],
        env=plain_environment(**more, **{variable: "0.0.0.0"}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert 2 == done.returncode, done.stderr
    assert f"{variable} is an address that other machines can reach" in done.stderr
