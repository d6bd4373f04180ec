"""An identity provider as tests need one: keys of every type, their public set, and an address that serves it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

CURVES: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, and the name of its public one."""

    kid: str
    algorithm: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as it stands in a key set."""
        implementation: Any = get_default_algorithms()[self.algorithm]
        content: dict[str, Any] = implementation.to_jwk(self.private.public_key(), as_dict=True)
        return {**content, "kid": self.kid, "use": "sig"}

    def token(self, subject: str = "ann", *, seconds: float = 600, algorithm: str = "", **claims: Any) -> str:
        """Return a token."""
        content = {"sub": subject, "exp": time.time() + seconds, **claims}
        return jwt.encode(content, self.private, algorithm=algorithm or self.algorithm, headers={"kid": self.kid})


@cache
def signer(algorithm: str, kid: str = "") -> Signer:
    """Return a signer, always the same one for the same words: keys take a while to make."""
    private: Any
    if algorithm in CURVES:
        private = ec.generate_private_key(CURVES[algorithm]())
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Signer(kid or f"key-{algorithm}", algorithm, private)


def key_set(*signers: Signer | dict[str, Any]) -> bytes:
    """Return the public keys as a document."""
    return json.dumps({"keys": [each.jwk if isinstance(each, Signer) else each for each in signers]}).encode()


@dataclass(slots=True)
class Provider:
    """Serves a key set, as the test says.

    Attributes:
        document: What it answers with.
        status: HTTP status of its answers.
        headers: Further headers.
        slow_seconds: How long it waits before it answers.
        asked: How often it was asked.
        address: Where it is.
    """

    document: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    slow_seconds: float = 0.0
    asked: int = 0
    address: str = ""


@contextmanager
def provider(*signers: Signer) -> Iterator[Provider]:
    """Run a provider on loopback."""
    running = Provider(key_set(*signers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.asked += 1
            time.sleep(running.slow_seconds)
            self.send_response(running.status)
            for name, value in running.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(running.document)))
            self.end_headers()
            self.wfile.write(running.document)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running.address = f"http://127.0.0.1:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
