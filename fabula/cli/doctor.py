"""`fabula doctor`: what is installed, reachable and loaded, and what to do about what is not.

It changes nothing, and it looks from outside: torch is asked in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import structlog
from rich.console import Console

from fabula.cli import health
from fabula.cli.doctor_models import painter, text_model, torch, vision_model
from fabula.cli.exits import Exit
from fabula.cli.findings import Finding, Verdict, fine, note, problem, summarise, tell
from fabula.cli.parts import PARTS, how_to_get, missing, wanted
from fabula.cli.ports import is_free, reached_at
from fabula.cli.up_services import place_of
from fabula.cli.up_status import UpStatus, read_status
from fabula.errors import FabulaError, InvalidRequest, Unavailable
from fabula.rpc.kinds import CHARACTER, IMAGE, Kind
from fabula.rpc.tls import Tls, tls_of
from fabula.settings import ClientSettings, UpSettings, load

LITTLE_SPACE_BYTES = 1 << 30
_START = "Start everything with: fabula up"


def doctor(address: str | None, *, as_json: bool) -> Exit:
    """Look at everything and tell it; SUCCESS if nothing is wrong.

    Raises:
        InvalidRequest: the settings cannot be read, so there is nothing to look at.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = load(UpSettings)
    clients = load(ClientSettings)
    console, findings = Console(highlight=False), []
    for finding in _look(settings, clients, address):
        findings.append(finding)
        if not as_json:
            tell(finding, console)
    problems = sum(finding.verdict is Verdict.PROBLEM for finding in findings)
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False) + "\n")
    else:
        summarise(problems, console)
    return Exit.FAILED if problems else Exit.SUCCESS


def _look(settings: UpSettings, clients: ClientSettings, address: str | None) -> Iterator[Finding]:
    yield fine("fabula", f"{installed_version()}, Python {platform.python_version()} on {platform.system()}")
    yield from _parts()
    yield _nats_server(settings)
    yield _data_dir(settings.data_dir)
    status = read_status(settings.data_dir)
    yield _up(status)
    yield _port(settings.http_host, settings.http_port, "gateway port", "--http-port or FABULA_HTTP_PORT", status)
    kinds = wanted(settings)
    for place in (place_of(settings, kind) for kind in kinds):
        change = f"{place.flag} or {place.variable}"
        yield _port(place.host, place.port, f"{place.kind.name} port", change, status)
    yield asyncio.run(_journal(settings, status))
    for kind in kinds:
        yield from _service(kind, address or clients.address_of(kind.name), status, tls_of(clients))
    yield _gateway(settings)
    yield text_model(settings)
    looks = CHARACTER in kinds
    if looks:
        yield vision_model(settings)
    paints = IMAGE in kinds
    if paints:
        yield painter(address or clients.address_of(IMAGE.name), settings)
    local = [settings.text_model, *([settings.vision_model] if looks else [])]
    yield torch(needed=any(model.startswith("transformers:") for model in local), paints=paints)


def installed_version() -> str:
    """Return the version of the distribution; of a checkout that is not installed it says so."""
    try:
        return metadata.version("fabula")
    except metadata.PackageNotFoundError:
        return "(a checkout that is not installed)"


def _parts() -> Iterator[Finding]:
    for extra in PARTS:
        if lacking := missing(extra):
            yield note(
                f"part {extra}", f"not installed: {', '.join(lacking)}", f"pip install '.[{extra}]' in Fabula's folder"
            )
        else:
            yield fine(f"part {extra}", "installed")


def _nats_server(settings: UpSettings) -> Finding:
    from fabula.journal.embedded import find_server  # noqa: PLC0415 - the journal need not be installed everywhere

    if settings.nats_url is not None:
        return fine("nats-server", "not needed: FABULA_NATS_URL names one that runs")
    try:
        return fine("nats-server", str(find_server()))
    except Unavailable as error:
        text, _, advice = error.message.partition(": ")
        return problem("nats-server", text, advice)


def _data_dir(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return problem("data directory", f"{existing} cannot be written", "Name another: FABULA_DATA_DIR.")
    free = shutil.disk_usage(existing).free
    text = f"{folder}, {free / (1 << 30):.1f} GiB free" + ("" if folder.exists() else "; made at the first start")
    if free < LITTLE_SPACE_BYTES:
        return problem("data directory", text, "Free some space, or name another: FABULA_DATA_DIR.")
    return fine("data directory", text)


def _up(status: UpStatus | None) -> Finding:
    if status is None:
        return note("fabula up", "does not run on this data directory", _START)
    running = ", ".join(
        f"{p.name} {p.phase}{f' ({p.restarts} restarts)' if p.restarts else ''}" for p in status.processes
    )
    if all(process.phase == "ready" for process in status.processes):
        return fine("fabula up", f"process {status.pid}: {running}")
    return problem("fabula up", f"process {status.pid}: {running}", "Its log says why a process is not ready.")


def _port(host: str, port: int, about: str, change: str, status: UpStatus | None) -> Finding:
    place = reached_at(host, port)
    if status is not None and place in (*status.addresses.values(), status.url.removeprefix("http://")):
        return fine(about, f"{place}, used by `fabula up`")
    if is_free(host, port):
        return fine(about, f"{place} is free")
    return note(about, f"{place} is in use by another program", f"`fabula up` will need another: {change}.")


async def _journal(settings: UpSettings, status: UpStatus | None) -> Finding:
    url = settings.nats_url or (status.nats_url if status is not None else "")
    if not url:
        return note("journal", "starts with `fabula up`")
    from fabula.journal.connection import ApiFault, Link  # noqa: PLC0415 - only where there is a journal
    from fabula.journal.settings import JournalSettings  # noqa: PLC0415 - likewise
    from fabula.journal.subjects import EVENTS_STREAM  # noqa: PLC0415 - likewise

    link = Link(JournalSettings(url=url, name="doctor", connect_seconds=3.0))
    try:
        await link.open()
        stream = await link.ask(f"STREAM.INFO.{EVENTS_STREAM}", {})
    except (Unavailable, ApiFault) as error:
        return problem("journal", f"does not answer as it should: {error}", "See the log of nats-server.")
    finally:
        await link.close()
    kept, replicas = stream["state"]["bytes"] / (1 << 20), stream["config"].get("num_replicas", 1)
    if settings.nats_url is None:
        return fine("journal", f"answers; {kept:.1f} MiB; {_sync(settings.data_dir)}")
    text = f"answers; {kept:.1f} MiB in {replicas} cop{'ies' if replicas != 1 else 'y'}"
    return note("journal", text, "Whether it syncs on every write only its own configuration tells: sync_interval.")


def _sync(data_dir: Path) -> str:
    try:
        configured = (data_dir / "nats" / "server.conf").read_text()
    except OSError:
        configured = ""
    if "sync_interval: always" in configured:
        return "every write is on the disk before it is acknowledged"
    return "NOT synced on every write"


def _service(kind: Kind, address: str, status: UpStatus | None, tls: Tls | None) -> Iterator[Finding]:
    name, server = kind.name, f"{kind.name} server"
    try:
        whole = health.ask_grpc(address, tls=tls)
    except InvalidRequest as error:
        yield problem(server, error.message, f"Correct FABULA_{name.upper()}_ADDRESS or --address.")
        return
    except Unavailable:
        left_out = status is not None and name not in status.addresses
        how = f"`fabula up` runs without it. To have it: {how_to_get(kind)}" if left_out else _START
        yield note(server, f"nothing answers at {address}", how)
        return
    if whole == "SERVING":
        yield fine(server, f"serves at {address}")
    else:
        yield problem(server, f"{address} is {whole}: the journal does not answer it", "See its log.")
    if health.ask_grpc(address, kind.service, tls=tls) == "SERVING":
        yield fine(f"{name} worker", "alive")
    else:
        yield problem(f"{name} worker", "none has shown life", f"Start one: python -m services.{name} worker")


def _gateway(settings: UpSettings) -> Finding:
    url = f"http://{reached_at(settings.http_host, settings.http_port)}"
    try:
        status, reason = health.ask_http(f"{url}/readyz")
    except FabulaError:
        return note("gateway", f"nothing answers at {url}", _START)
    if status == 200:
        return fine("gateway", f"ready at {url}")
    return problem("gateway", f"{url}/readyz answers {status} {reason}", "It needs a server that serves; see its log.")
