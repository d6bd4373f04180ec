"""Puts the parts of a service together and runs them: the composition root that every generator's `__main__` uses."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import structlog
import uvloop

from fabula.engine.paces import PaceBook
from fabula.engine.pipeline import Pipeline
from fabula.engine.run import Workshop
from fabula.engine.worker import Worker, WorkerSettings
from fabula.errors import FabulaError
from fabula.journal.journal import Journal, connect
from fabula.journal.settings import JournalSettings
from fabula.rpc.admission import Admission
from fabula.rpc.auth import Authenticator
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.edge import edge_of
from fabula.rpc.issuer import Issuer
from fabula.rpc.server import Check, Listen, serving
from fabula.rpc.service import Contract, GenerationService
from fabula.rpc.stores import Stores
from fabula.rpc.tails import Tails
from fabula.rpc.tickets import TicketOffice
from fabula.webhooks.addresses import Rules
from fabula.webhooks.office import WebhookOffice

UNAVAILABLE_EXIT = 5
"""Exit code of a process that lacks something it needs: its port, or the journal."""

_log = structlog.get_logger(__name__)

Stop = asyncio.Event
Part = Callable[[Journal, Stop], Awaitable[None]]
"""A server or a worker: runs on a journal until told to stop."""
OpenPipeline = Callable[[], AbstractAsyncContextManager[Pipeline]]


def run(journal: JournalSettings, *parts: Part) -> None:
    """Run the parts of one process until SIGTERM or SIGINT; exit with 5 if something they need is not there."""
    try:
        uvloop.run(_run(journal, parts))
    except* FabulaError as errors:
        for error in _leaves(errors):
            _log.error("cannot_run", reason=str(error))
        raise SystemExit(UNAVAILABLE_EXIT) from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def _run(settings: JournalSettings, parts: tuple[Part, ...]) -> None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with connect(settings) as journal, asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(_until_stopped(part, journal, stop))


async def _until_stopped(part: Part, journal: Journal, stop: Stop) -> None:
    try:
        await part(journal, stop)
    finally:
        stop.set()  # where one part ends, the process does


def server(
    contract: Contract,
    listen: Listen,
    auth: Authenticator,
    issuer: Issuer | None = None,
    *,
    rules: Rules | None = None,
    owner_queued: int = 0,
) -> Part:
    """Return the server of a generator.

    Args:
        contract: What is special to it.
        listen: Where it listens.
        auth: Tells its callers apart.
        issuer: Signs what tickets are redeemed for; None: there are no tickets.
        rules: Whom webhooks may tell; None: whoever is public.
        owner_queued: Generations that one owner may have waiting; 0: any number.
    """

    async def part(journal: Journal, stop: Stop) -> None:
        kind = contract.kind
        paces = PaceBook(journal.records, kind.name)
        previews = journal.previews if kind.has_previews else None
        async with Tails(journal.events, previews, journal.queue, paces, contract.codec) as tails:
            stores = Stores(journal.events, journal.blobs, journal.records)
            admission = Admission(journal.queue, kind.name, owner_queued)
            edge = edge_of(GenerationService(contract, stores, tails, admission), auth)
            tickets = TicketOffice(kind.name, journal.records, issuer).edge(auth) if issuer is not None else None
            webhooks = WebhookOffice(journal.records, rules or Rules()).edge(auth)
            handlers = [each.handler() for each in (edge, tickets, webhooks) if each is not None]
            checks = {"": journal_check(journal), kind.service: worker_check(journal, kind.name)}
            async with serving(listen, handlers, checks, edge.drain) as running:
                _log.info("serving", service=kind.service, host=listen.host, port=running.port)
                await stop.wait()

    return part


def worker(
    codec: ProtoCodec,
    open_pipeline: OpenPipeline,
    settings: WorkerSettings,
    health: Listen | None = None,
    rules: Rules | None = None,
) -> Part:
    """Return a worker of a generator.

    Args:
        codec: Its events.
        open_pipeline: Opens its stages, and what they need, for as long as the worker works.
        settings: How the worker works.
        health: Where it answers health checks; None: nowhere.
        rules: Whom webhooks may tell; None: whoever is public.
    """
    # Not before a worker is wanted: a server sends nothing.
    from fabula.webhooks.courier import Courier, Desk, telling  # noqa: PLC0415
    from fabula.webhooks.sending import Sender  # noqa: PLC0415

    async def part(journal: Journal, stop: Stop) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        async with AsyncExitStack() as stack:
            pipeline = await stack.enter_async_context(open_pipeline())
            shop = Workshop(name, pipeline, codec, journal.events, journal.blobs, journal.previews)
            working = Worker(codec.kind.name, shop, journal.queue, journal.records, settings)
            if health is not None:
                checks = {"": journal_check(journal)}
                await stack.enter_async_context(serving(health, [], checks, lambda: None))
            desk = Desk(codec, journal.events, journal.records, journal.endings, settings.lease_seconds)
            await stack.enter_async_context(telling(Courier(desk, Sender(rules or Rules()).post)))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            _log.info("working", kind=codec.kind.name, worker=name, model=pipeline.model)
            working_task = tasks.create_task(working.run())
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait({working_task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            working.stop()

    return part


def journal_check(journal: Journal) -> Check:
    """Tell whether the journal answers."""

    async def check() -> bool:
        await journal.ping()
        return True

    return check


def worker_check(journal: Journal, kind: str) -> Check:
    """Tell whether the journal answers and a worker of this kind has shown life lately."""

    async def check() -> bool:
        return await PaceBook(journal.records, kind).life() is not None

    return check
