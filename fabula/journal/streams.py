"""The streams the journal keeps in JetStream, and how they are declared.

Declaring is idempotent and may happen in many processes at once. What an operator has added to a stream's
configuration (placement, limits, a mirror) is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fabula.journal import subjects
from fabula.journal.connection import ApiFault, Link, unavailable

_NO_STREAM = 10059
_HOUR = 3600 * 10**9

_DURABLE = {"storage": "file", "retention": "limits", "allow_direct": True}

EVENTS: Mapping[str, Any] = MappingProxyType(
    {
        **_DURABLE,
        "name": subjects.EVENTS_STREAM,
        "description": "Fabula: the logs of all generations, and by filter the queues of their workers",
        "subjects": [f"{subjects.STORED}.>"],
        "discard": "new",  # a full store refuses; it never drops what was promised
        "republish": {"src": f"{subjects.STORED}.>", "dest": f"{subjects.LIVE}.>"},
    }
)
RECORDS: Mapping[str, Any] = MappingProxyType(
    {
        **_DURABLE,
        "name": subjects.RECORDS_STREAM,
        "description": "Fabula: small named values, one message each",
        "subjects": [f"{subjects.RECORDS}.>"],
        "discard": "new",  # characters are kept here: none of them makes room for another
        "max_msgs_per_subject": 1,
        "allow_msg_ttl": True,
    }
)
BLOBS: Mapping[str, Any] = MappingProxyType(
    {
        **_DURABLE,
        "name": subjects.BLOBS_STREAM,
        "description": "Fabula: uploaded sources, pictures, checkpoints, in chunks",
        "subjects": [f"{subjects.BLOBS}.>"],
        "discard": "new",
        "allow_rollup_hdrs": True,
    }
)
PREVIEWS: Mapping[str, Any] = MappingProxyType(
    {
        "name": subjects.PREVIEWS_STREAM,
        "description": "Fabula: the newest preview of each picture, in memory",
        "subjects": [f"{subjects.PREVIEWS}.>"],
        "storage": "memory",
        "retention": "limits",
        "allow_direct": True,
        "max_msgs_per_subject": 1,
        "max_age": _HOUR,
    }
)
QUEUE: Mapping[str, Any] = MappingProxyType(
    {
        **_DURABLE,
        "name": subjects.QUEUE_STREAM,
        "description": "Fabula: a ticket for each job that is not done",
        "subjects": [f"{subjects.QUEUE}.>"],
        "discard": "new",
        "max_msgs_per_subject": 1,
        "republish": {"src": f"{subjects.QUEUE}.>", "dest": f"{subjects.JOBS}.>"},
    }
)


async def declare(link: Link, stream: Mapping[str, Any]) -> None:
    """Make sure that the stream exists as described; one that exists keeps its number of replicas.

    Raises:
        Unavailable: JetStream does not answer, or refuses (too few servers for the replicas, no space).
    """
    name = stream["name"]
    try:
        present = await _config(link, name)
        if present is None:  # another process may be quicker: to create the same twice is no fault
            await link.ask(f"STREAM.CREATE.{name}", {**stream, "num_replicas": link.settings.replicas})
        elif any(present.get(option) != value for option, value in stream.items()):
            await link.ask(f"STREAM.UPDATE.{name}", {**present, **stream})
    except ApiFault as fault:
        raise unavailable(fault) from fault


async def _config(link: Link, name: str) -> Mapping[str, Any] | None:
    try:
        config: Mapping[str, Any] = (await link.ask(f"STREAM.INFO.{name}", {}))["config"]
    except ApiFault as fault:
        if fault.err_code == _NO_STREAM:
            return None
        raise
    return config


async def declare_all(link: Link) -> None:
    """Make sure that all streams exist."""
    for stream in (EVENTS, RECORDS, BLOBS, PREVIEWS, QUEUE):
        await declare(link, stream)
