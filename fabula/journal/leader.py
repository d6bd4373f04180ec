"""Reads one message from a stream's leader: never stale, unlike a direct get from a replica."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.stored import StoredMessage, from_api

_NO_MESSAGE = 10037


async def newest(link: Link, stream: str, topic: str) -> StoredMessage | None:
    """Return the newest message on a filter; None if there is none. Raises `Unavailable`."""
    return await _message(link, stream, {"last_by_subj": topic})


async def next_after(link: Link, stream: str, topic: str, revision: int) -> StoredMessage | None:
    """Return the first message on a filter behind a revision; None if there is none. Raises `Unavailable`."""
    return await _message(link, stream, {"seq": revision + 1, "next_by_subj": topic})


async def _message(link: Link, stream: str, question: Mapping[str, Any]) -> StoredMessage | None:
    try:
        answer = await link.ask(f"STREAM.MSG.GET.{stream}", question)
    except ApiFault as fault:
        if fault.err_code == _NO_MESSAGE:
            return None
        raise unavailable(fault) from fault
    return from_api(answer["message"])
