"""Reads an uploaded text file: which encoding it is in, and what it says. Pure."""

from __future__ import annotations

import codecs

from charset_normalizer import from_bytes

from fabula.errors import InvalidRequest

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CONTROLS = set(range(32)) - {9, 10, 12, 13}
_MOST_CONTROLS = 0.01


def decode(data: bytes) -> str:
    """Return the text of a file.

    A byte order mark is believed; then UTF-8 is tried; then the encoding is guessed from the bytes.

    Raises:
        InvalidRequest: it is no text, or in no encoding that can be recognised.
    """
    try:
        text = data.decode(_encoding(data))
    except (UnicodeDecodeError, LookupError):
        raise _refusal("its encoding cannot be recognised") from None
    if sum(ord(character) in _CONTROLS for character in text) > len(text) * _MOST_CONTROLS:
        raise _refusal("it looks like a binary file")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()
    if not text:
        raise _refusal("it is empty")
    return text


def _encoding(data: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        best = from_bytes(data).best()
        return best.encoding if best is not None else "unknown"
    return "utf-8"


def _refusal(why: str) -> InvalidRequest:
    problem = f"the source is not a text that can be read: {why}; send it as UTF-8"
    return InvalidRequest(problem, (("story.source", problem),))
