"""Names of native stages, taken apart. Pure."""

from __future__ import annotations


def role_and_number(stage: str) -> tuple[str, int]:
    """Return what a stage does and which of several it is: "write-2" is ("write", 2), "outline" is ("outline", 0)."""
    role, _, number = stage.rpartition("-")
    return (role, int(number)) if role and number.isascii() and number.isdigit() else (stage, 0)
