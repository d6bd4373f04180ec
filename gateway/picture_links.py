"""Addresses that show one picture to whoever has them: a page puts them into an `<img>`, which sends no token.

A key names the picture's owner, encrypted, and holds for that picture only. Nothing is kept: it is made of the secret
that signs tokens, the owner and the id alone, so it is the same at every gateway and after every restart.

Source of the cipher: AES-SIV (RFC 5297), which is deterministic and authenticates what it encrypts.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fabula.errors import NotFound
from fabula.rpc.auth import Identity
from fabula.rpc.issuer import Issuer

KEY = "key"
"""Name of the query parameter with a key."""

LONGEST_KEY = 2048
DOWNLOAD_SECONDS = 3600.0
"""How long a download by a key may last."""

_PURPOSE = b"fabula: addresses of pictures"


class PictureLinks:
    """Makes keys, and reads them.

    Args:
        secret: The shared secret; None: there is none, and addresses have no keys.
    """

    def __init__(self, secret: str | None) -> None:
        # A key of its own: what is said by one use of the secret means nothing in another.
        self._cipher = AESSIV(hmac.digest(secret.encode(), _PURPOSE, "sha512")) if secret is not None else None
        self._issuer = Issuer(secret)

    @property
    def have_keys(self) -> bool:
        """Whether addresses have keys; else they show a picture only to who may see it anyway."""
        return self._cipher is not None

    def addresses_of(self, owner: str, base: str = "") -> Callable[[str], str]:
        """Return what tells where an owner's pictures can be fetched; without a base relative to the gateway's host."""
        return lambda generation_id: base + self.address(owner, generation_id)

    def address(self, owner: str, generation_id: str) -> str:
        """Return where the first picture of a generation can be fetched, relative to the gateway's host."""
        address = f"/v1/images/{generation_id}"
        return address if self._cipher is None else f"{address}?{KEY}={self._key(self._cipher, owner, generation_id)}"

    def read(self, generation_id: str, key: str) -> tuple[Identity, str]:
        """Return on whose behalf a key reads a picture, and the token by which services let them.

        Raises:
            NotFound: it is no key, or another picture's.
        """
        owner = self._owner(generation_id, key)
        identity = Identity(owner, time.time() + DOWNLOAD_SECONDS, generation_id)
        return identity, self._issuer.reader(owner, generation_id, identity.expires)

    def _owner(self, generation_id: str, key: str) -> str:
        try:
            if self._cipher is not None and len(key) <= LONGEST_KEY:
                data = urlsafe_b64decode(key + "=" * (-len(key) % 4))
                owner = self._cipher.decrypt(data, [generation_id.encode()]).decode()
                if key == self._key(self._cipher, owner, generation_id):  # and not another way to write it down
                    return owner
        except (ValueError, InvalidTag):
            pass
        raise NotFound("there is no such generation", id=generation_id)

    @staticmethod
    def _key(cipher: AESSIV, owner: str, generation_id: str) -> str:
        return urlsafe_b64encode(cipher.encrypt(owner.encode(), [generation_id.encode()])).decode().rstrip("=")
