"""The engine's `Blobs` on JetStream: a stream that holds each blob's bytes in chunks, then what is known of it.

Not nats-py's object store: reading there waits for ever where a chunk is missing, removing by prefix reads the names
of all blobs, and every removed one leaves a message behind. Here the path of a name is the path of the subject, so
that everything below a path goes with one purge. A blob lies on `fabula.blob.<path>.c.<write id>` (chunks) and
`fabula.blob.<path>.m` (what is known; it names the write whose chunks count).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from hashlib import sha256
from uuid import uuid4

from fabula.engine.ports import BlobInfo
from fabula.errors import InvalidRequest, LogCorrupted, NotFound
from fabula.journal import leader, subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.paging import Pager

CHUNK_BYTES = 128 << 10
_MAX_NAME_CHARACTERS = 512
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2


class JetStreamBlobs:
    """Implements `fabula.engine.ports.Blobs`."""

    def __init__(self, link: Link, pager: Pager) -> None:
        self._link = link
        self._pager = pager

    async def put(self, name: str, data: bytes, media_type: str) -> BlobInfo:
        """Store the bytes durably; see the port. Nobody sees the blob before its last byte is stored."""
        info = BlobInfo(_checked(name), len(data), media_type, sha256(data).hexdigest())
        write_id = uuid4().hex
        for start in range(0, len(data), CHUNK_BYTES):
            await self._store(_chunks(name, write_id), data[start : start + CHUNK_BYTES])
        replaced = await self._known(name)
        await self._store(_meta(name), json.dumps({"write": write_id, **asdict(info)}).encode(), rollup=True)
        if replaced is not None:
            await self._purge(_chunks(name, replaced[0]))
        return info

    async def get(self, name: str) -> bytes:
        """Return the bytes, checked; see the port."""
        for attempt in range(_ATTEMPTS):
            await asyncio.sleep(attempt * _PAUSE_SECONDS)  # it was replaced while we read, or a replica lags
            write_id, info = await self._present(name)
            chunks = self._pager.all_from(subjects.BLOBS_STREAM, _chunks(name, write_id), 1)
            data = b"".join([chunk.data async for chunk in chunks])
            if sha256(data).hexdigest() == info.sha256:
                return data
        raise LogCorrupted(f"The stored bytes of {name} do not match their digest.", name=name)

    async def info(self, name: str) -> BlobInfo:
        """Return what is known of the blob; see the port."""
        return (await self._present(name))[1]

    async def delete_all(self, prefix: str) -> None:
        """Remove every blob whose name begins with `prefix`; see the port. A prefix that ends in "/" costs least."""
        path, _, start = prefix.rpartition("/")
        below = f"{subjects.blob(path)}.>" if path else f"{subjects.BLOBS}.>"
        if not start:
            await self._purge(below)
            return
        for topic in await self._topics(below):
            if topic.startswith(subjects.blob(prefix)):
                await self._purge(topic)

    async def _topics(self, below: str) -> list[str]:
        question = {"subjects_filter": below}
        try:
            answer = await self._link.ask(f"STREAM.INFO.{subjects.BLOBS_STREAM}", question)
        except ApiFault as fault:
            raise unavailable(fault) from fault
        return list(answer["state"].get("subjects") or {})

    async def _present(self, name: str) -> tuple[str, BlobInfo]:
        known = await self._known(name)
        if known is None:
            raise NotFound(f"There is no blob {name}.", name=name)
        return known

    async def _known(self, name: str) -> tuple[str, BlobInfo] | None:
        """Return the write that counts and what is known of the blob; None if there is none."""
        message = await leader.newest(self._link, subjects.BLOBS_STREAM, _meta(_checked(name)))
        if message is None:
            return None
        try:
            fields = json.loads(message.data)
            return fields.pop("write"), BlobInfo(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise LogCorrupted(f"What is stored about {name} cannot be read.", name=name) from error

    async def _store(self, topic: str, payload: bytes, *, rollup: bool = False) -> None:
        try:
            await self._link.store(topic, payload, {"Nats-Rollup": "sub"} if rollup else {})
        except ApiFault as fault:
            raise unavailable(fault) from fault

    async def _purge(self, topic: str) -> None:
        try:
            await self._link.ask(f"STREAM.PURGE.{subjects.BLOBS_STREAM}", {"filter": topic})
        except ApiFault as fault:
            raise unavailable(fault) from fault


def _chunks(name: str, write_id: str) -> str:
    return f"{subjects.blob(name)}.c.{write_id}"


def _meta(name: str) -> str:
    return f"{subjects.blob(name)}.m"


def _checked(name: str) -> str:
    if not 0 < len(name) <= _MAX_NAME_CHARACTERS:
        raise InvalidRequest(f"A blob's name has 1 to {_MAX_NAME_CHARACTERS} characters.")
    return name
