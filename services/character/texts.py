"""What is done to any text from outside before it is kept. Pure."""

from __future__ import annotations

from unicodedata import category

_NEVER = frozenset({"Cc", "Cs"})
"""Control characters, and halves of characters, which cannot be encoded."""


def plain(text: str) -> str:
    """Return a text without control characters: it comes back in lists, and on people's terminals."""
    return "".join(one for one in text if one in "\n\t" or category(one) not in _NEVER).strip()


def plain_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return " ".join(plain(text).split())


def says_something(text: str) -> bool:
    """Whether anything is left of a text without white space, in whatever sense of the word."""
    return any(one.isprintable() and not one.isspace() for one in text)
