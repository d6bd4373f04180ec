"""Runs the character service: `python -m services.character [server|worker]`, and with no word both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fabula.engine.worker import WorkerSettings as EngineWorkerSettings
from fabula.journal import Journal
from fabula.program import Program, Role, health_of
from fabula.rpc.client import Client, open_channel
from fabula.rpc.kinds import IMAGE
from fabula.rpc.server import Listen
from fabula.rpc.stores import Stores
from fabula.rpc.tls import tls_of
from fabula.rpc.trust import authenticator_of, issuer_of
from fabula.runtime import Part, Stop, server, worker
from fabula.settings import CharacterServerSettings, CharacterSettings, CharacterWorkerSettings
from fabula.webhooks.addresses import rules_of
from services.character.contract import CharacterContract


def character_server(settings: CharacterServerSettings) -> Part:
    """Return the server's part."""
    listen = Listen(settings.character_host, settings.character_port, settings.drain_seconds, tls_of(settings))

    async def part(journal: Journal, stop: Stop) -> None:
        async with open_channel(settings.image_address, tls_of(settings)) as images:
            contract = CharacterContract(Client(IMAGE, images), paints=settings.has(IMAGE.name))
            auth, issuer = authenticator_of(settings), issuer_of(settings)
            await server(contract, listen, auth, issuer, rules=rules_of(settings), owner_queued=settings.owner_queued)(
                journal, stop
            )

    return part


def character_worker(settings: CharacterWorkerSettings) -> Part:
    """Return the worker's part."""
    # Not before a worker is wanted: a server starts in under a second and needs neither prompts nor lexicons.
    from services.character.janitor import Janitor, sweeping  # noqa: PLC0415
    from services.character.keeper import AvatarKeeper, keeping  # noqa: PLC0415
    from services.character.makers import open_maker  # noqa: PLC0415
    from services.character.pipeline import CharacterPipeline  # noqa: PLC0415
    from services.character.readers import open_reader  # noqa: PLC0415
    from services.character.stages import Tools  # noqa: PLC0415

    async def part(journal: Journal, stop: Stop) -> None:
        codec = CharacterContract().codec
        stores = Stores(journal.events, journal.blobs, journal.records)

        @asynccontextmanager
        async def open_pipeline() -> AsyncIterator[CharacterPipeline]:
            keep = timedelta(seconds=settings.character_keep_seconds)
            async with (
                open_maker(settings) as maker,
                open_reader(settings) as reader,
                open_channel(settings.image_address, tls_of(settings)) as images,
            ):
                keeper = AvatarKeeper(stores, codec, Client(IMAGE, images), issuer_of(settings))
                async with keeping(keeper), sweeping(Janitor(stores, codec)):
                    yield CharacterPipeline(Tools(maker, reader, journal.records, keep, keeper.wake))

        engine = EngineWorkerSettings(settings.character_slots, settings.lease_seconds)
        await worker(codec, open_pipeline, engine, health_of(settings), rules_of(settings))(journal, stop)

    return part


PROGRAM = Program(
    "character",
    server=Role(CharacterServerSettings, [character_server]),
    worker=Role(CharacterWorkerSettings, [character_worker]),
    both=Role(CharacterSettings, [character_server, character_worker]),
)

if __name__ == "__main__":
    PROGRAM.main(sys.argv[1:])
