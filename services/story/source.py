"""Reads an uploaded text file: which encoding it is in, and what it says. Pure."""

from __future__ import annotations

import codecs

from charset_normalizer import CharsetMatch, from_bytes

from fabula.errors import InvalidRequest

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_GUESSES = (
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "cp949",
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1256",
    "koi8_r",
)
"""What is looked for where nothing says what it is. Of those that fit a text alike, the first is taken."""
_HUNGARIAN = set("áéíóöőúüűÁÉÍÓÖŐÚÜŰ")

_CONTROLS = set(range(32)) - {9, 10, 12, 13}
_MOST_CONTROLS = 0.01
_MOST_DAMAGE = 0.001
"""A UTF-8 text with more bytes astray than this share of its characters is taken for none."""


def decode(data: bytes) -> str:
    """Return the text of a file.

    A byte order mark is believed; then UTF-16 without one is told by its zero bytes, and UTF-8 is tried, even where a
    few bytes of it are damaged; then the encoding is guessed from the bytes.

    Raises:
        InvalidRequest: it is no text, or in no encoding that can be recognised.
    """
    try:
        text = data.decode(_marked(data) or _wide(data) or "utf-8")
    except UnicodeDecodeError:
        text = _damaged(data) or _guessed(data)
    if sum(ord(character) in _CONTROLS for character in text) > len(text) * _MOST_CONTROLS:
        raise _refusal("it looks like a binary file")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()
    if not text:
        raise _refusal("it is empty")
    return text


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)


def _wide(data: bytes) -> str | None:
    """Return UTF-16 as every other byte shows it: that of letters which a Latin alphabet has is zero."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    if len(data) % 2 or max(even, odd) < len(data) / 4 or min(even, odd) > max(even, odd) / 10:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _damaged(data: bytes) -> str | None:
    """Return a UTF-8 text of which a few bytes are wrong or cut off; None if it was never one."""
    text = data.decode("utf-8", "replace")
    damage = text.count("\ufffd")
    sound = sum(character > "\x7f" for character in text) - damage
    return text if damage <= max(1, len(text) * _MOST_DAMAGE) and sound > damage else None


def _guessed(data: bytes) -> str:
    matches = list(from_bytes(data, cp_isolation=list(_GUESSES)))
    if not matches:
        raise _refusal("its encoding cannot be recognised")
    fit = min((match.chaos, -match.coherence) for match in matches)
    alike = [match for match in matches if (match.chaos, -match.coherence) == fit]
    return str(min(alike, key=_preference))


def _preference(match: CharsetMatch) -> int:
    """Say which of the encodings that fit alike goes first: Western, but for a text with Hungarian letters only."""
    letters = {character for character in str(match) if character > "\x7f" and character.isalpha()}
    if match.encoding == "cp1250" and letters & set("őűŐŰ") and letters <= _HUNGARIAN:
        return -1
    return _GUESSES.index(match.encoding)


def _refusal(why: str) -> InvalidRequest:
    problem = f"the source is not a text that can be read: {why}; send it as UTF-8"
    return InvalidRequest(problem, (("story.source", problem),))
