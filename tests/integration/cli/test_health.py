"""`fabula health`, as a container runs it, against real servers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fabula.cli.health import ask_grpc, check
from fabula.errors import InvalidRequest, Unavailable
from tests.system import FABULA, free_port

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(name="grpc_address")
def _grpc_address() -> Iterator[str]:
    """Run a gRPC server that is well, with one service that is and one that is not."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    for name, status in (("", SERVING), ("good", SERVING), ("bad", NOT_SERVING)):
        servicer.set(name, status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(name="http_address")
def _http_address() -> Iterator[str]:
    """Run an HTTP server that is well at /healthz only."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_serves_is_well(grpc_address: str) -> None:
    """The whole server, and one service of it."""
    assert ["SERVING", "SERVING"] == [check(grpc_address), check(grpc_address, "good")]


def test_a_service_that_does_not_serve_or_does_not_exist_is_not_well(grpc_address: str) -> None:
    """Each is told apart."""
    assert ["NOT_SERVING", "SERVICE_UNKNOWN"] == [ask_grpc(grpc_address, "bad"), ask_grpc(grpc_address, "nobody")]
    with pytest.raises(Unavailable, match=r"bad at .* is NOT_SERVING"):
        check(grpc_address, "bad")


def test_a_url_is_well_when_it_answers_200(http_address: str) -> None:
    """Anything else is not."""
    assert "200 OK" == check(f"{http_address}/healthz")
    with pytest.raises(Unavailable, match="answers 503"):
        check(f"{http_address}/readyz")


@pytest.mark.parametrize("address", ["", "nowhere", "host:port", "http://"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """The message shows what one looks like."""
    with pytest.raises(InvalidRequest, match="HOST:PORT"):
        check(address)


def test_the_command_exits_with_0_only_if_all_is_well(grpc_address: str, http_address: str) -> None:
    """0 if well, 5 if not, 2 for what is no address; never a traceback."""
    closed = f"127.0.0.1:{free_port()}"
    commands = [
        ([grpc_address], 0),
        ([grpc_address, "--service", "bad"], 5),
        ([f"{http_address}/healthz"], 0),
        ([f"{http_address}/readyz"], 5),
        ([closed], 5),
        ([f"http://{closed}/healthz"], 5),
        (["nowhere"], 2),
    ]

    done = [subprocess.run([*FABULA, "health", *words], capture_output=True, text=True) for words, _ in commands]  # noqa: PLW1510

    assert [code for _, code in commands] == [one.returncode for one in done]
    assert not [one.stderr for one in done if "Traceback" in one.stderr]


@pytest.mark.parametrize("words", [["--help"], ["health", "http://127.0.0.1:1/"]])
def test_it_starts_without_what_it_does_not_need(words: list[str]) -> None:
    """Neither gRPC nor settings nor the journal are loaded for help or a check over HTTP."""
    code = (
        "import sys\n"
        f"sys.argv = ['fabula', *{words!r}]\n"
        "from fabula.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'grpc', 'google', 'fabula.settings', 'structlog', 'nats', 'torch', 'fabula.rpc'}\n"
        "sys.stdout.write(f'\\nloaded: {sorted(heavy & set(sys.modules))}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "loaded: []" == done.stdout.splitlines()[-1]
