"""Asks a process whether it is well, over gRPC or HTTP. For container health checks: quick, and with few imports."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fabula.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from fabula.rpc.tls import Tls

TIMEOUT_SECONDS = 3.0


def check(address: str, service: str = "", timeout: float = TIMEOUT_SECONDS, tls_ca: Path | None = None) -> str:
    """Return what a process says of its health: "SERVING", "200 OK" and the like.

    Args:
        address: `HOST:PORT` of a gRPC server, or an `http://` or `https://` URL.
        service: Full name of a gRPC service; empty asks for the whole server.
        timeout: Seconds to wait for the answer.
        tls_ca: File of who signs a gRPC server's certificate; None: it is asked in the clear.

    Raises:
        InvalidRequest: the address is neither.
        Unavailable: it does not answer, or says that it is not well.
    """
    if address.startswith(("http://", "https://")):
        status, reason = ask_http(address, timeout)
        if status != http.client.OK:
            raise Unavailable(f"{address} answers {status} {reason}.")
        return f"{status} {reason}"
    tls = None
    if tls_ca is not None:
        from fabula.rpc.tls import tls_of  # noqa: PLC0415 - reading settings takes longer than asking
        from fabula.settings import TlsSettings, load  # noqa: PLC0415 - likewise

        tls = tls_of(load(TlsSettings, tls_ca=tls_ca))
    answer = ask_grpc(address, service, timeout, tls)
    if answer != "SERVING":
        raise Unavailable(f"{service or 'the server'} at {address} is {answer}.")
    return answer


def ask_http(url: str, timeout: float = TIMEOUT_SECONDS) -> tuple[int, str]:
    """Return status and reason of a GET. Raises `InvalidRequest`, `Unavailable`."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise InvalidRequest(f"{url} names no host: http://HOST:PORT/healthz is expected.")
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=tls)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{url} does not answer: {error}.") from error
    else:
        return answer.status, answer.reason
    finally:
        connection.close()


def ask_grpc(address: str, service: str = "", timeout: float = TIMEOUT_SECONDS, tls: Tls | None = None) -> str:
    """Return the status a gRPC server gives for a service: "SERVING" etc. Raises `InvalidRequest`, `Unavailable`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidRequest(f"{address!r} is no address: HOST:PORT or http://HOST:PORT/healthz is expected.")

    import grpc  # noqa: PLC0415 - an HTTP check does without
    from grpc_health.v1 import health_pb2  # noqa: PLC0415 - likewise

    answer_type = health_pb2.HealthCheckResponse
    channel_of = grpc.insecure_channel(address) if tls is None else grpc.secure_channel(address, tls.of_client())
    with channel_of as channel:
        ask = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=answer_type.FromString,
        )
        try:
            status = ask(health_pb2.HealthCheckRequest(service=service), timeout=timeout).status
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return "SERVICE_UNKNOWN"
            raise Unavailable(f"{address} does not answer: {error.details()}.") from error
    return str(answer_type.ServingStatus.Name(status))
