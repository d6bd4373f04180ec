"""TLS and mutual TLS between a service and those who call it, with certificates of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.story.v1 import story_pb2 as pb
from fabula.cli.health import ask_grpc, check
from fabula.errors import InvalidRequest, Unauthenticated, Unavailable
from fabula.journal import JournalSettings
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import CHARACTER, STORY
from fabula.rpc.server import Listen
from fabula.rpc.tls import Tls, tls_of
from fabula.runtime import server
from fabula.settings import GatewaySettings, ImageServerSettings, TlsSettings, load
from services.character.contract import CharacterContract
from services.story.contract import StoryContract
from services.story.library import open_library
from tests.certificates import Authority, Files
from tests.integration.gateway.conftest import running_gateway
from tests.integration.story.house import SECRET, free_port, running, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Papers:
    """Certificates of an installation, and of somebody else.

    Attributes:
        authority: Signs ours.
        service: A service's.
        caller: A gateway's.
        stranger: Another authority.
        strangers: What that one has signed.
    """

    authority: Authority
    service: Files
    caller: Files
    stranger: Authority
    strangers: Files

    def tls(self, own: Files | None = None, authority: Authority | None = None, *, mutual: bool = True) -> Tls:
        """Return what a process with these certificates has."""
        given = {} if own is None else {"tls_cert": own.certificate, "tls_key": own.key}
        loaded = tls_of(load(TlsSettings, tls_ca=(authority or self.authority).file, **given))
        assert loaded is not None
        return Tls(loaded.ca, loaded.certificate, loaded.key, mutual)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Certificates for this machine."""
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    return Papers(ours, ours.sign("service"), ours.sign("caller"), theirs, theirs.sign("stranger"))


@asynccontextmanager
async def serving(nats_url: str, tls: Tls | None, contract: Any = None) -> AsyncIterator[str]:
    """Run a server; give its address."""
    listen = Listen(port=free_port(), drain_seconds=0.5, tls=tls)
    part = server(contract or StoryContract(), listen, Authenticator(SECRET), Issuer(SECRET))
    async with running(part, JournalSettings(url=nats_url, name="test")):
        async with asyncio.timeout(20):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", listen.port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield f"127.0.0.1:{listen.port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mutual(nats_url: str, papers: Papers) -> AsyncIterator[str]:
    """A service that asks its callers for a certificate."""
    async with serving(nats_url, papers.tls(papers.service)) as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(nats_url: str, papers: Papers) -> AsyncIterator[str]:
    """A service with a certificate, that asks for none."""
    async with serving(nats_url, papers.tls(papers.service, mutual=False)) as address:
        yield address


async def listed(address: str, tls: Tls | None, some_token: str = "") -> int:
    """Ask a service for stories; return how many there are."""
    async with open_channel(address, tls) as channel:
        caller = Caller(some_token or token("ann"))
        answer = await Client(STORY, channel).call("ListGenerations", pb.ListGenerationsRequest(), caller, timeout=5)
        return len(answer.generations)


async def test_who_shows_a_certificate_is_answered(mutual: str, papers: Papers) -> None:
    """By address and by name: the certificate has both. It is no token, though."""
    assert 0 == await listed(mutual, papers.tls(papers.caller))
    assert 0 == await listed(mutual.replace("127.0.0.1", "localhost"), papers.tls(papers.caller))
    with pytest.raises(Unauthenticated):
        await listed(mutual, papers.tls(papers.caller), "junk")


Caller_ = Callable[[Papers], Tls | None]


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(lambda _: None, id="in the clear"),
        pytest.param(lambda papers: papers.tls(), id="without a certificate"),
        pytest.param(lambda papers: papers.tls(papers.strangers), id="with a stranger's"),
        pytest.param(lambda papers: papers.tls(papers.caller, papers.stranger), id="who trusts a stranger"),
        pytest.param(lambda papers: papers.tls(papers.authority.sign("old", days=-1)), id="with an expired one"),
    ],
)
async def test_nobody_else_is(mutual: str, papers: Papers, who: Caller_) -> None:
    """The handshake fails, whatever the token says."""
    with pytest.raises(Unavailable):
        await listed(mutual, who(papers))


async def test_without_mutual_tls_the_service_alone_shows_who_it_is(plain: str, papers: Papers) -> None:
    """And is believed by who trusts its authority only."""
    assert 0 == await listed(plain, papers.tls())
    for tls in (None, papers.tls(authority=papers.stranger)):
        with pytest.raises(Unavailable):
            await listed(plain, tls)


async def test_a_certificate_for_another_host_is_not_believed(nats_url: str, papers: Papers) -> None:
    """Who has taken over an address does not have its certificate."""
    elsewhere = papers.authority.sign("elsewhere", ("story.example",))
    async with serving(nats_url, papers.tls(elsewhere)) as address:
        with pytest.raises(Unavailable):
            await listed(address, papers.tls(papers.caller))


async def test_a_gateway_reaches_services_by_mutual_tls(mutual: str, papers: Papers) -> None:
    """From its settings; without its certificate it reaches nobody."""
    own = {"tls_cert": papers.caller.certificate, "tls_key": papers.caller.key}
    auth = {"authorization": f"Bearer {token('ann')}"}
    answers = []
    for given in (own, {}):
        settings: dict[str, Any] = {
            "generators": ("story",),
            "jwt_secret": SECRET,
            "tls_ca": papers.authority.file,
            **given,
        }
        async with running_gateway(mutual, **settings) as gateway:
            answers.append((await gateway.http.get("/v1/stories", headers=auth)).status_code)
            answers.append((await gateway.http.get("/readyz")).json()["services"]["story"])

    assert [200, "NOT_SERVING", 503, "UNAVAILABLE"] == answers  # no worker is there; or nobody answers at all


async def test_services_reach_each_other_by_mutual_tls(nats_url: str, papers: Papers) -> None:
    """The library of characters, on behalf of a story's owner."""
    async with serving(nats_url, papers.tls(papers.service), CharacterContract()) as address:
        unknown = f"{CHARACTER.name}-00000000-0000-4000-8000-000000000000"
        for tls, problem in ((papers.tls(papers.caller), "no such character"), (None, "does not answer")):
            async with open_library(address, tls) as library:
                with pytest.raises(Exception, match=problem):
                    await library.get(Issuer(SECRET).caller("ann"), unknown)


async def test_health_is_asked_over_tls_too(mutual: str, papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers do, by the same variables."""
    own = papers.tls(papers.caller)
    assert "SERVING" == await asyncio.to_thread(ask_grpc, mutual, "", 5.0, own)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(ask_grpc, mutual, "", 2.0)
    monkeypatch.setenv("FABULA_TLS_CERT", str(papers.caller.certificate))
    monkeypatch.setenv("FABULA_TLS_KEY", str(papers.caller.key))
    assert "SERVING" == await asyncio.to_thread(check, mutual, "", 5.0, papers.authority.file)


async def test_certificates_that_do_not_fit_are_refused_at_the_start(papers: Papers, tmp_path: Path) -> None:
    """Each by the variable that is wrong."""
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    ca, own = papers.authority.file, papers.service
    wrong: list[tuple[type[TlsSettings], dict[str, Any], str]] = [
        (GatewaySettings, {"tls_ca": tmp_path / "none"}, "TLS_CA"),
        (GatewaySettings, {"tls_ca": junk}, "TLS_CA"),
        (GatewaySettings, {"tls_cert": own.certificate, "tls_key": own.key}, "TLS_CERT"),
        (GatewaySettings, {"tls_ca": ca, "tls_cert": own.certificate}, "TLS_KEY"),
        (GatewaySettings, {"tls_ca": ca, "tls_key": own.key}, "TLS_KEY"),
        (GatewaySettings, {"tls_ca": ca, "tls_cert": own.certificate, "tls_key": papers.caller.key}, "TLS_KEY"),
        (GatewaySettings, {"tls_ca": ca, "tls_cert": junk, "tls_key": own.key}, "TLS_KEY"),
        (ImageServerSettings, {"tls_ca": ca, "nats_url": "nats://n:1"}, "TLS_CERT"),
    ]
    for cls, given, variable in wrong:
        with pytest.raises(InvalidRequest) as refusal:
            load(cls, **given)
        assert [f"FABULA_{variable}"] == [name for name, _ in refusal.value.violations], given
    assert tls_of(load(GatewaySettings)) is None
