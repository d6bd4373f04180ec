"""Tokens as an issuer signs them."""

from __future__ import annotations

import time

import jwt

SECRET = "a shared secret of more than thirty-two bytes"


def token(subject: str, seconds: int = 600, secret: str = SECRET) -> str:
    """Return a token for this subject that is good for so long."""
    return jwt.encode({"sub": subject, "exp": int(time.time()) + seconds}, secret, algorithm="HS256")
