from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fabula.errors import Unauthenticated, Unavailable
from fabula.rpc import jwks
from fabula.rpc.auth import CLOCK_SKEW_SECONDS, LONGEST_TOKEN, Authenticator, Expected
from fabula.rpc.issuer import Issuer
from fabula.rpc.jwks import LIFETIME_SECONDS, PAUSE_SECONDS, STALE_SECONDS, KeySet, keys_of
from tests.providers import Provider, Signer, key_set, provider, signer

SECRET = "a secret of more than thirty-two bytes"
RSA = signer("RS256")


@dataclass(slots=True)
class Clock:
    """A clock that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def by_file(tmp_path: Path, *signers: Signer | dict[str, Any], **more: Any) -> Authenticator:
    """Return an authenticator whose provider's keys stand in a file."""
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(*signers))
    return Authenticator(SECRET, keys=KeySet(str(path)), **more)


def forged(header: dict[str, Any], secret: bytes) -> str:
    """Return a token that is signed by HMAC, whatever its header says."""
    parts = [header, {"sub": "eve", "exp": time.time() + 600}]
    signed = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    signature = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "algorithm",
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
)
async def test_a_token_of_every_asymmetric_algorithm_names_its_owner(algorithm: str, tmp_path: Path) -> None:
    """The key's type says which ones it is good for."""
    of = signer(algorithm) if algorithm[:2] in {"ES", "Ed"} else RSA
    identity = await by_file(tmp_path, of).identify(of.token("ann", algorithm=algorithm))

    assert ("ann", "") == (identity.owner, identity.generation_id)
    assert identity.expires == pytest.approx(time.time() + 600 + CLOCK_SKEW_SECONDS, abs=5)


async def test_a_public_key_used_as_a_secret_opens_nothing(tmp_path: Path) -> None:
    """Algorithm confusion: HS256 with the published key, in each form that somebody might take for the secret."""
    auth = by_file(tmp_path, RSA)
    public = RSA.private.public_key()
    pem = serialization.Encoding.PEM
    forms = [
        public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(pem, serialization.PublicFormat.PKCS1),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        json.dumps(RSA.jwk).encode(),
        base64.urlsafe_b64decode(f"{RSA.jwk['n']}=="),
    ]

    assert "ann" == (await auth.identify(RSA.token())).owner
    for algorithm in ("HS256", "RS256", "none", "None", ""):
        for secret in forms:
            with pytest.raises(Unauthenticated):
                await auth.identify(forged({"alg": algorithm, "typ": "JWT", "kid": RSA.kid}, secret))


async def test_an_unsigned_token_opens_nothing(tmp_path: Path) -> None:
    """With a key's id or without."""
    auth = by_file(tmp_path, RSA)
    for headers in ({}, {"kid": RSA.kid}):
        with pytest.raises(Unauthenticated):
            await auth.identify(jwt.encode({"sub": "eve", "exp": 2**31}, "", algorithm="none", headers=headers))


async def test_the_shared_secret_signs_no_users_token_beside_a_key_set(tmp_path: Path) -> None:
    """It signs what services tell each other, and says so; and these are refused where services do not come in."""
    users = jwt.encode({"sub": "eve", "exp": 2**31}, SECRET, algorithm="HS256")
    services = Issuer(SECRET).caller("ann").token
    untyped = jwt.encode({"sub": "eve", "exp": 2**31, "iss": "fabula", "aud": "fabula-services"}, SECRET, "HS256")
    at_service, at_gateway = by_file(tmp_path, RSA), by_file(tmp_path, RSA, own=False)

    assert "ann" == (await at_service.identify(services)).owner
    for auth, refused in ((at_service, users), (at_service, untyped), (at_gateway, users), (at_gateway, services)):
        with pytest.raises(Unauthenticated):
            await auth.identify(refused)


async def test_a_services_token_says_whose_it_is_in_full(tmp_path: Path) -> None:
    """Its type alone does not do: issuer, audience and signature have to hold, too."""
    auth = by_file(tmp_path, RSA)
    good = {"sub": "ann", "exp": time.time() + 60, "iss": "fabula", "aud": "fabula-services"}
    typ = {"typ": "fabula-service+jwt"}
    assert "ann" == auth.check(jwt.encode(good, SECRET, "HS256", typ)).owner
    faulty = [
        jwt.encode({**good, "iss": "somebody"}, SECRET, "HS256", typ),
        jwt.encode({**good, "aud": "somebody"}, SECRET, "HS256", typ),
        jwt.encode({**good, "exp": time.time() - 3600}, SECRET, "HS256", typ),
        jwt.encode(good, "another secret of thirty-two bytes!!", "HS256", typ),
        jwt.encode(good, RSA.private, "RS256", {**typ, "kid": RSA.kid}),
    ]
    for token in faulty:
        with pytest.raises(Unauthenticated):
            await auth.identify(token)


@pytest.mark.parametrize(
    ("expected", "claims", "reason"),
    [
        (Expected("https://id", "fabula"), {"iss": "https://id", "aud": "fabula"}, ""),
        (Expected("https://id", "fabula"), {"iss": "https://id", "aud": ["other", "fabula"]}, ""),
        (Expected("https://id", "fabula"), {"iss": "https://evil", "aud": "fabula"}, "issuer"),
        (Expected("https://id", "fabula"), {"iss": "https://id", "aud": "other"}, "somebody else"),
        (Expected("https://id", "fabula"), {"aud": "fabula"}, "lacks the claim 'iss'"),
        (Expected("https://id", "fabula"), {"iss": "https://id"}, "lacks the claim 'aud'"),
        (Expected(), {"aud": "other"}, "somebody else"),
        (Expected(), {"iss": "whoever"}, ""),
        (Expected(), {"seconds": -CLOCK_SKEW_SECONDS - 5}, "expired"),
        (Expected(), {"seconds": -CLOCK_SKEW_SECONDS + 15}, ""),
        (Expected(), {"nbf": time.time() + CLOCK_SKEW_SECONDS + 36_000}, "does not hold"),
        (Expected(), {"sub": ""}, "'sub' must be text"),
    ],
)
async def test_claims_are_checked_as_configured(
    expected: Expected, claims: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """Issuer and audience where they are set; an audience that is not ours never holds."""
    auth = by_file(tmp_path, RSA, expected=expected)
    given = RSA.token(**{"subject": claims.pop("sub", "ann"), **claims})
    if not reason:
        assert "ann" == (await auth.identify(given)).owner
        return
    with pytest.raises(Unauthenticated, match=reason):
        await auth.identify(given)


async def test_a_key_is_good_for_its_own_algorithms_only(tmp_path: Path) -> None:
    """A key that names its algorithm signs with no other; one curve's key does not sign for another's."""
    bound = {**RSA.jwk, "alg": "RS256"}
    auth = by_file(tmp_path, bound, signer("ES256"))
    assert "ann" == (await auth.identify(RSA.token())).owner
    for token in (RSA.token(algorithm="PS256"), RSA.token(algorithm="RS512")):
        with pytest.raises(Unauthenticated):
            await auth.identify(token)
    pretender = Signer(signer("ES256").kid, "RS256", RSA.private)
    with pytest.raises(Unauthenticated):
        await auth.identify(pretender.token())


def test_keys_that_check_no_signatures_are_left_out() -> None:
    """Secrets, private keys, keys for encryption, short ones, unknown ones, and what is no key at all."""
    short = Signer("short", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - the test
    private: Any = jwt.algorithms.RSAAlgorithm.to_jwk(RSA.private, as_dict=True)
    useless: list[Any] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
        {**private, "kid": "private"},
        {**RSA.jwk, "kid": "encryption", "use": "enc"},
        {**RSA.jwk, "kid": "signing", "key_ops": ["sign"]},
        {**RSA.jwk, "kid": "confused", "alg": "HS256"},
        {**RSA.jwk, "kid": 5},
        short.jwk,
        {"kty": "RSA", "kid": "empty"},
        {"kty": "EC", "crv": "secp256k1", "kid": "unknown"},
        "no key",
    ]
    found = keys_of(json.dumps({"keys": [*useless, signer("EdDSA").jwk]}).encode())

    assert [signer("EdDSA").kid] == [key.kid for key in found]
    assert ((), ()) == (keys_of(key_set(*useless)), keys_of(b'{"keys": []}'))
    for document in (b"[]", b"{}", b'{"keys": 5}', b"no json", b"\xff"):
        with pytest.raises(ValueError, match=r".+"):
            keys_of(document)


async def test_a_token_without_a_key_id_needs_a_set_of_one(tmp_path: Path) -> None:
    """With several keys it cannot be told which is meant."""
    nameless = jwt.encode({"sub": "ann", "exp": time.time() + 60}, RSA.private, "RS256")

    assert "ann" == (await by_file(tmp_path, RSA).identify(nameless)).owner
    with pytest.raises(Unauthenticated):
        await by_file(tmp_path, RSA, signer("ES256")).identify(nameless)


async def test_a_new_key_is_fetched_when_a_token_names_it_and_not_more_often_than_the_pause() -> None:
    """Rotation: the provider adds a key, signs with it, and takes the old one away."""
    old, new, clock = signer("RS256", "old"), signer("ES256", "new"), Clock()
    with provider(old) as running:
        auth = Authenticator(None, keys=KeySet(running.address, clock=clock))
        assert "ann" == (await auth.identify(old.token())).owner
        running.document = key_set(old, new)
        for _ in range(5):
            with pytest.raises(Unauthenticated, match="does not publish"):
                await auth.identify(new.token())
        assert 1 == running.asked
        clock.now += PAUSE_SECONDS
        assert ["ann", "ann"] == [(await auth.identify(each.token())).owner for each in (new, old)]
        assert 2 == running.asked

        running.document = key_set(new)
        clock.now += LIFETIME_SECONDS - 1
        assert "ann" == (await auth.identify(old.token())).owner  # believed for as long as keys are kept
        clock.now += 1
        with pytest.raises(Unauthenticated):
            await auth.identify(old.token())
        assert 3 == running.asked


async def test_many_at_once_are_one_fetch() -> None:
    """Nobody has the provider asked twice."""
    with provider(RSA) as running:
        running.slow_seconds = 0.05
        auth = Authenticator(None, keys=KeySet(running.address))
        identities = await asyncio.gather(*(auth.identify(RSA.token(f"user {n}")) for n in range(20)))

        assert ([f"user {n}" for n in range(20)], 1) == ([each.owner for each in identities], running.asked)


async def test_a_caller_who_gives_up_does_not_keep_others_from_the_keys() -> None:
    """The fetch goes on without him: else a client that hangs up at once would lock everybody out."""
    with provider(RSA) as running:
        running.slow_seconds = 0.2
        auth = Authenticator(None, keys=KeySet(running.address))
        hasty = asyncio.create_task(auth.identify(RSA.token()))
        while not running.asked:  # noqa: ASYNC110 - a bounded poll
            await asyncio.sleep(0.01)
        hasty.cancel()
        assert "ann" == (await auth.identify(RSA.token())).owner
        assert (True, 1) == (hasty.cancelled(), running.asked)


async def test_a_provider_that_withdraws_all_keys_is_believed() -> None:
    """After as long as any other withdrawn key."""
    clock = Clock()
    with provider(RSA) as running:
        auth = Authenticator(None, keys=KeySet(running.address, clock=clock))
        assert "ann" == (await auth.identify(RSA.token())).owner
        running.document = key_set()
        clock.now += LIFETIME_SECONDS
        with pytest.raises(Unauthenticated):
            await auth.identify(RSA.token())


async def test_known_keys_hold_while_the_provider_is_away_and_others_are_to_be_tried_again() -> None:
    """For a day; then nothing can be told any more."""
    clock, other = Clock(), signer("ES256", "other")
    with provider(RSA) as running:
        auth = Authenticator(None, keys=KeySet(running.address, clock=clock))
        assert "ann" == (await auth.identify(RSA.token())).owner
        running.status = 500
        clock.now += LIFETIME_SECONDS
        assert "ann" == (await auth.identify(RSA.token())).owner
        with pytest.raises(Unavailable):  # it may be a good one: the caller is not sent to sign in again
            await auth.identify(other.token())
        clock.now += STALE_SECONDS
        with pytest.raises(Unavailable):
            await auth.identify(RSA.token())
        running.status = 200
        clock.now += PAUSE_SECONDS
        assert "ann" == (await auth.identify(RSA.token())).owner


async def test_nothing_is_known_before_the_first_answer() -> None:
    """Nobody listens there: the caller may try again."""
    with pytest.raises(Unavailable, match="issuer does not answer"):
        await Authenticator(None, keys=KeySet("http://127.0.0.1:9/keys")).identify(RSA.token())


@pytest.mark.parametrize("fault", ["large", "redirect", "no json", "slow", "no set"])
async def test_a_faulty_answer_is_no_answer(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded in size and time, and not sent elsewhere."""
    with provider(RSA) as elsewhere, provider(RSA) as running:
        _break(running, fault, elsewhere.address, monkeypatch)
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            await Authenticator(None, keys=KeySet(running.address)).identify(RSA.token())

        assert (1, 0) == (running.asked, elsewhere.asked)
        assert time.monotonic() - begun < 5


def _break(running: Provider, fault: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match fault:
        case "large":
            running.document += b" " * jwks.MOST_BYTES
        case "redirect":
            running.status, running.headers = 302, {"location": elsewhere}
        case "no json":
            running.document = b"<html>"
        case "slow":
            running.slow_seconds = 2.0
            monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.2)
        case _:
            running.document = b'{"keys": {}}'


async def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    """As an address is; a file that is gone leaves its keys as they were."""
    clock, path, new = Clock(), tmp_path / "keys.json", signer("ES256", "new")
    path.write_bytes(key_set(RSA))
    auth = Authenticator(None, keys=KeySet(str(path), clock=clock))
    assert "ann" == (await auth.identify(RSA.token())).owner

    path.write_bytes(key_set(RSA, new))
    clock.now += PAUSE_SECONDS
    assert "ann" == (await auth.identify(new.token())).owner
    path.unlink()
    clock.now += LIFETIME_SECONDS
    assert "ann" == (await auth.identify(new.token())).owner


async def test_a_token_that_is_too_long_is_not_even_looked_at(tmp_path: Path) -> None:
    """It could not be passed on to services."""
    with pytest.raises(Unauthenticated, match="too long"):
        await by_file(tmp_path, RSA).identify(RSA.token(padding="x" * LONGEST_TOKEN))


async def test_a_tickets_token_reads_one_generation_as_long_as_its_asker(tmp_path: Path) -> None:
    """Only a service can say so: in a user's token the claim means nothing."""
    expires = time.time() + 100
    auth = by_file(tmp_path, RSA)
    reader = await auth.identify(Issuer(SECRET).reader("ann", "story-1", expires))

    assert ("ann", "story-1") == (reader.owner, reader.generation_id)
    assert reader.expires == pytest.approx(expires, abs=1.5)
    assert "" == (await auth.identify(RSA.token(generation="story-1"))).generation_id
