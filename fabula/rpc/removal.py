"""Removes a generation: its log, and the blobs beside it."""

from __future__ import annotations

from contextlib import suppress

from fabula.engine.ports import Address, Record, own_blobs
from fabula.engine.states import Command, decide
from fabula.errors import LogCorrupted, Superseded, Unavailable
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.stores import CHANGES_TOO_FAST, RACES, Stores, not_found


async def remove(stores: Stores, codec: ProtoCodec, address: Address) -> None:
    """Remove a generation and all it keeps; again without effect.

    Raises:
        NotFound: there is none, and there was none.
        Conflict: a worker may be at it.
    """
    for _ in range(RACES):
        record = await stores.log.last(address)
        if record is not None:
            _check(codec, record)
        elif not await stores.log.deleted(address):
            raise not_found(address.id)
        try:
            await stores.log.delete(address, after=record.revision if record else None)
        except Superseded:  # a worker may just have claimed it
            continue
        await stores.blobs.delete_all(own_blobs(address))
        return
    raise Unavailable(CHANGES_TOO_FAST)


def _check(codec: ProtoCodec, newest: Record) -> None:
    """Raise `Conflict` while a worker may be at it. A log that cannot be read is good for nothing else."""
    with suppress(LogCorrupted):
        event = codec.decode(newest.entries[-1])
        decide(Command.DELETE, event.state, event.pending, event.run)
