"""A whole installation in one process: every service, its worker, and a gateway, with authentication of either sort.

Everything is real but the models, which are doubles that are quick: what is swept here is who may see what.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives import serialization

from fabula.api.character.v1 import character_pb2
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2
from fabula.api.story.v1 import story_pb2
from fabula.api.webhook.v1 import webhook_pb2
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.jwks import KeySet
from fabula.rpc.kinds import CHARACTER, IMAGE, KINDS, STORY
from fabula.rpc.server import Listen
from fabula.rpc.tickets import TICKETS
from fabula.runtime import server
from fabula.webhooks.addresses import Rules
from fabula.webhooks.contract import WEBHOOKS
from services.character.contract import CharacterContract
from services.image.contract import ImageContract
from services.story.contract import StoryContract
from services.story.library import open_library
from tests.integration.character.house import House as CharacterHouse
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.image.house import working_part
from tests.integration.story.house import free_port, running
from tests.providers import Signer, key_set, signer
from tests.unit.character.doubles import FailingReader, HeldMaker
from tests.unit.image.sketches import Sketcher

SECRET = "a shared secret that the attacker has not got"
KIND_OF_HOOKS = {"ticket": TICKETS, "webhook": WEBHOOKS}
PATIENCE_SECONDS = 30.0
NOWHERE = "00000000-0000-4000-8000-0000000000aa"
"""A UUID that nobody has."""

Tokens = dict[str, str]


@dataclass(slots=True)
class Owner:
    """Somebody with a good token, and what is theirs.

    Attributes:
        name: Their name.
        token: Their token.
        things: Ids by what they are of: "story", "character", "session", "image", "webhook", "delivery".
    """

    name: str
    token: str
    estate: Estate
    things: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of their requests."""
        return {"authorization": f"Bearer {self.token}"}

    async def call(self, kind: str, rpc: str, **fields: Any) -> Any:
        """Call a service."""
        of = {**KINDS, **KIND_OF_HOOKS}[kind]
        client = Client(of, self.estate.channels[kind if kind in KINDS else "story"])
        return await client.call(rpc, of.request(rpc)(**fields), Caller(self.token))

    async def thing(self, what: str) -> str:
        """Return the id of something of theirs, made anew if they have none."""
        if what not in self.things:
            self.things[what] = await MAKERS[what](self)
        return self.things[what]

    def lost(self, what: str) -> None:
        """Say that something may not be there any more, or is not as it was made."""
        del self.things[what]


async def _story(owner: Owner) -> str:
    response = await owner.call("story", "StartGeneration", story=story_pb2.StoryRequest(premise="An owl."))
    return str(response.generation.id)


async def _image(owner: Owner) -> str:
    wanted = image_pb2.ImageRequest(prompt="an owl", seed=7)
    id_ = (await owner.call("image", "StartGeneration", image=wanted)).generation.id
    await _finished(owner, "image", id_)
    return str(id_)


async def _character(owner: Owner) -> str:
    wanted = character_pb2.CharacterRequest(description="an old owl", seed=7, generate_avatar=False)
    id_ = (await owner.call("character", "StartGeneration", character=wanted)).generation.id
    await _finished(owner, "character", id_)
    return str(id_)


async def _session(owner: Owner) -> str:
    return (await owner.thing("character")).removeprefix("character-")


async def _webhook(owner: Owner) -> str:
    response = await owner.call("webhook", "CreateWebhook", url="http://127.0.0.1:9/hook")
    return str(response.webhook.id)


async def _delivery(owner: Owner) -> str:
    hook = await owner.thing("webhook")
    id_ = (await owner.call("webhook", "SendTest", webhook_id=hook)).delivery.id
    async with asyncio.timeout(PATIENCE_SECONDS):  # nobody writes to it any more when it is tried
        while True:
            found = await owner.call("webhook", "GetDelivery", webhook_id=hook, delivery_id=id_)
            if found.delivery.state != webhook_pb2.DELIVERY_STATE_PENDING:
                return str(id_)
            await asyncio.sleep(0.02)


MAKERS: dict[str, Callable[[Owner], Awaitable[str]]] = {
    "story": _story,
    "character": _character,
    "session": _session,
    "image": _image,
    "webhook": _webhook,
    "delivery": _delivery,
}


async def _finished(owner: Owner, kind: str, id_: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = (await owner.call(kind, "GetGeneration", generation_id=id_)).generation
            if found.state == gen.STATE_SUCCEEDED:
                return
            assert found.state not in (gen.STATE_FAILED, gen.STATE_CANCELLED), found
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Estate:
    """The installation.

    Attributes:
        nats_url: Where its journal lies.
        channels: To each service.
        gateway: The gateway.
        other: A second one, which knows nothing of the first.
        provider: Signs users' tokens; None: the shared secret does.
    """

    nats_url: str
    channels: dict[str, grpc.aio.Channel]
    gateway: Gateway
    other: Gateway
    provider: Signer | None

    def token(self, name: str, **claims: Any) -> str:
        """Return a good token."""
        content = {"sub": name, "exp": time.time() + 600, **claims}
        content = {key: value for key, value in content.items() if value is not None}
        if self.provider is None:
            return jwt.encode(content, SECRET, "HS256")
        return jwt.encode(content, self.provider.private, self.provider.algorithm, {"kid": self.provider.kid})

    def owner(self, name: str) -> Owner:
        """Return somebody, with a good token and nothing yet."""
        return Owner(name, self.token(name), self)

    def bad_tokens(self, name: str) -> Tokens:
        """Return tokens that say they are of this owner, and hold nowhere."""
        claims = {"sub": name, "exp": int(time.time()) + 600}
        other = signer("RS256", "another")
        kid = self.provider.kid if self.provider else "key-RS256"
        good = self.token(name)
        head, body, signature = good.split(".")
        return {
            "none": "",
            "junk": "of.no.use",
            "expired": self.token(name, exp=time.time() - 60),
            "not yet good": self.token(name, nbf=time.time() + 600),
            "without sub": self.token(name, sub=None),
            "without exp": self.token(name, exp=None),
            "with an empty sub": self.token(name, sub=""),
            "with a sub that breaks lines": self.token("x", sub=f"{name}\r\nx-owner: {name}"),
            "for somebody else": self.token(name, aud="another service"),
            "by another secret": jwt.encode(claims, "another secret of thirty-two bytes!", "HS256"),
            "by another key of the same name": jwt.encode(claims, other.private, "RS256", {"kid": kid}),
            "unsigned": jwt.encode(claims, "", "none", {"kid": kid}),
            "unsigned, said otherwise": forged({"alg": "nOnE", "kid": kid}, claims, b"", signed=False),
            "without its signature": f"{head}.{body}.",
            "with other claims": f"{head}.{_part({**claims, 'sub': 'root'})}.{signature}",
            "by the public key as a secret": forged({"alg": "HS256", "kid": kid}, claims, _public(self.provider)),
            "by the public key, said otherwise": forged({"alg": "RS256", "kid": kid}, claims, _public(self.provider)),
            "by another algorithm": _by_another_algorithm(self.provider, claims),
        }

    def services_tokens(self, name: str) -> Tokens:
        """Return tokens of services, which hold before services and not at the gateway's doors."""
        issuer = Issuer(SECRET)
        reader = issuer.reader(name, f"story-{NOWHERE}", None)
        return {"a service's": issuer.caller(name).token, "a service's for one generation": reader}


def forged(header: dict[str, Any], claims: dict[str, Any], secret: bytes, *, signed: bool = True) -> str:
    """Return a token signed by HMAC, whatever its header says; or by nothing."""
    text = f"{_part({'typ': 'JWT', **header})}.{_part(claims)}"
    mac = hmac.digest(secret, text.encode(), "sha256") if signed else b""
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _public(provider: Signer | None) -> bytes:
    public = (provider or signer("RS256")).private.public_key()
    encoded: bytes = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _by_another_algorithm(provider: Signer | None, claims: dict[str, Any]) -> str:
    """Return one by the right secret in the wrong way: keys of providers sign, the secret does not."""
    if provider is not None:
        return jwt.encode(claims, SECRET, "HS256")
    return jwt.encode(claims, signer("ES256").private, "ES256")


@asynccontextmanager
async def open_estate(folder: Path, *, jwks: bool) -> AsyncIterator[Estate]:
    """Run everything."""
    provider = signer("RS256") if jwks else None
    keys = None
    if provider is not None:
        keys = folder / "keys.json"
        keys.write_bytes(key_set(provider))
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(EmbeddedServer(folder / "nats"))
        settings = JournalSettings(url=nats.url, name="test", lease_seconds=1.0, idle_check_seconds=0.2)
        journal: Journal = await stack.enter_async_context(connect(settings))
        auth = Authenticator(SECRET, keys=KeySet(str(keys)) if keys else None)
        rules = Rules(networks=(ip_network("127.0.0.0/8"),), most=20)
        listens = {kind: Listen(port=free_port(), drain_seconds=1.0) for kind in KINDS}
        channels = {
            kind: await stack.enter_async_context(open_channel(f"127.0.0.1:{listen.port}"))
            for kind, listen in listens.items()
        }
        library = await stack.enter_async_context(open_library(f"127.0.0.1:{listens['character'].port}"))
        painter = Client(IMAGE, channels["image"])
        contracts = {"story": StoryContract(library), "character": CharacterContract(painter), "image": ImageContract()}
        for kind, contract in contracts.items():
            part = server(contract, listens[kind], auth, Issuer(SECRET), rules=rules)  # type: ignore[arg-type]
            await stack.enter_async_context(running(part, settings))
            await asyncio.wait_for(channels[kind].channel_ready(), 10)
        character = CharacterHouse(settings, journal, 0, channels["character"], HeldMaker(), FailingReader())
        await stack.enter_async_context(character.working())
        await stack.enter_async_context(running(working_part(Sketcher()), settings))
        places = {f"{kind}_address": f"127.0.0.1:{listen.port}" for kind, listen in listens.items()}
        trust = {"jwt_secret": SECRET, "jwks": str(keys) if keys else None}
        wanted: dict[str, Any] = {**places, **trust, "generators": tuple(KINDS), "answer_seconds": 2.0}
        one, other = [await stack.enter_async_context(running_gateway("", **wanted)) for _ in range(2)]
        yield Estate(nats.url, channels, one, other, provider)


assert {"story", "character", "image"} == set(KINDS) == {STORY.name, CHARACTER.name, IMAGE.name}
