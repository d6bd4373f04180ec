"""Where log entries go and how they look; called once at the start of a process, and nowhere else.

Everybody logs by `structlog.get_logger(__name__)`: an event's name and its fields. What belongs to every entry of a
piece of work (`generation_id`, `trace_id`) is bound once, by `structlog.contextvars.bound_contextvars`. Libraries
log by the standard library; their entries take the same way and look the same.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from fabula.settings import Settings

# Chatty where all is well: a line for each request, connection or ping.
_QUIET_LIBRARIES = ("asyncio", "grpc", "httpcore", "httpx", "nats", "uvicorn", "uvicorn.access", "websockets")


def configure(settings: Settings, process: str, stream: TextIO = sys.stderr) -> None:
    """Send every log entry of this process to `stream`.

    Args:
        settings: Their level and format; without a format, console on a terminal and JSON elsewhere.
        process: The process's name, e.g. "story-server"; part of every entry.
        stream: Where the entries go. Standard output belongs to what a command prints.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    on_terminal = stream.isatty()
    as_json = settings.log_format == "json" or (settings.log_format is None and not on_terminal)
    shared = _shared(process)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json() if as_json else _console(colors=on_terminal)),
            ],
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


def _shared(process: str) -> list[Processor]:
    def name_process(_logger: object, _method: str, entry: EventDict) -> EventDict:
        entry["process"] = process
        return entry

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
    ]


def _json() -> list[Processor]:
    # The plain traceback: a structured one holds local variables, and with them prompts and tokens.
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _console(*, colors: bool) -> list[Processor]:
    return [_show, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_traceback)]


def _show(_logger: object, _method: str, entry: EventDict) -> EventDict:
    """Write out what a terminal would obey: some values are a client's."""
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = _printable(value, keep="\n\t" if name == "event" else "")
    return entry


def _traceback(stream: TextIO, info: ExcInfo) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, info)
    stream.write(_printable(text.getvalue(), keep="\n\t"))


def _printable(text: str, keep: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )
