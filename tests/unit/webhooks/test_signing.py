"""Signatures: those of the specification, to be verified by libraries that are not ours."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fabula.webhooks.signing import headers, new_secret, signature

# The vector that the libraries of the specification test themselves with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


def test_the_vector_of_the_specification() -> None:
    """To the letter."""
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signature(SECRET, ID, TIMESTAMP, BODY)


def test_secrets_are_long_random_and_shaped_as_the_specification_says() -> None:
    """At least 24 bytes, at most 64, base64 behind the prefix; no two alike."""
    some = {new_secret() for _ in range(100)}

    assert 100 == len(some)
    assert all(secret.startswith("whsec_") and 32 == len(base64.b64decode(secret[6:])) for secret in some)


def test_while_secrets_change_either_verifies() -> None:
    """And no third one, nor another body, id or time."""
    old, new, foreign, now = new_secret(), new_secret(), new_secret(), int(time.time())
    body = '{"type":"x","data":"ü"}'.encode()
    signed = headers([new, old], "msg_1", now, body)

    for secret in (old, new):
        Webhook(secret).verify(body, signed)
    for secret, some_body, changed in [
        (foreign, body, {}),
        (new, body + b" ", {}),
        (new, body, {"webhook-id": "msg_2"}),
        (new, body, {"webhook-timestamp": str(now - 1)}),
    ]:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(some_body, {**signed, **changed})
