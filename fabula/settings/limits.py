"""How much clients may hold and take at the gateway; docs/limits.md says what they see when they meet a limit."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fabula.settings.base import Settings
from fabula.settings.values import Networks, Seconds


class LimitSettings(Settings):
    """How much clients of the gateway may hold and take."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Long connections that one gateway holds at a time (WebSocket, event stream, Socket.IO, a request that waits for
    finished work); more are told to try later."""

    max_connections_per_address: Annotated[int, Field(ge=0, le=1_000_000)] = 4000
    """Long connections of one client address at one gateway, of IPv6 of one /64; 0: any number. Behind a proxy
    `FABULA_TRUSTED_PROXIES` has to name it, else all its clients count as one."""

    max_connections_per_owner: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    """Long connections of one owner at one gateway; 0: any number. Does not count where there is no authentication, as
    there everybody is the same owner."""

    max_watchers: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Watchers of one generation at one gateway; more are told to try later."""

    batch_items: Annotated[int, Field(ge=1, le=64)] = 64
    """Generations that one batch may start (`POST /v1/batches`); a WebSocket watches as many at a time."""

    max_tcp_connections: Annotated[int, Field(ge=1, le=2_000_000)] = 12_000
    """Open TCP connections of one gateway, idle ones as well; more are answered 503 and closed. Should be above
    `FABULA_MAX_CONNECTIONS`, so that who has too many can be told so."""

    trusted_proxies: Networks = ()
    """Proxies before the gateway, by address or network, e.g. `10.0.0.0/8,::1`, with commas between: what they say in
    `X-Forwarded-For` and `X-Forwarded-Proto` is believed. Not set: nobody's."""

    ws_message_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 64 * 1024
    """Largest WebSocket message, and Socket.IO packet or body, that is accepted from a client, in bytes."""

    messages_per_second: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 50.0
    """Messages that a client may send on one socket in the long run; on sockets that only tell (families A and E) a
    tenth of it."""

    messages_at_once: Annotated[int, Field(ge=10, le=1_000_000)] = 300
    """Messages that a client may send on one socket in one go; on sockets that only tell a tenth of it."""

    requests_per_second: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 0.0
    """HTTP requests and WebSocket handshakes of one client address in the long run; 0: as many as it likes."""

    requests_at_once: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """HTTP requests and handshakes of one client address in one go, where `FABULA_REQUESTS_PER_SECOND` is set."""

    max_head_bytes: Annotated[int, Field(ge=2048, le=256 * 1024)] = 16 * 1024
    """Largest head of a request, its address and headers together, in bytes."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 16 * 1024 * 1024
    """Largest body of a request, in bytes. Most addresses take less: 2 MiB, or what their largest file needs."""

    max_bodies_bytes: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Bytes of bodies that one gateway holds at a time while they are read, without the first 16 KiB of each; more are
    told to try later. At least `FABULA_MAX_BODY_BYTES`."""

    max_file_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest file in a form, in bytes. What a file is for may allow less."""

    head_seconds: Seconds = 10.0
    """How long a client may take to send the head of a request, or a WebSocket's handshake, in seconds."""

    body_seconds: Seconds = 30.0
    """How long a client may take to send the body of a request, in seconds, besides one second for every 4 KiB."""

    idle_seconds: Seconds = 5.0
    """How long an HTTP connection is kept open for the next request, in seconds."""

    stalled_seconds: Seconds = 60.0
    """A client that has not taken a byte for so long, though more waits for it, is cut off, in seconds."""

    @model_validator(mode="after")
    def _fits_one_body(self) -> Self:
        if self.max_bodies_bytes < self.max_body_bytes:
            raise ValueError("FABULA_MAX_BODIES_BYTES must be at least FABULA_MAX_BODY_BYTES: one body has to fit")
        return self
