"""Text that breaks out of where it is put, if it is put there as it is."""

from __future__ import annotations

MARK = "X-Broken-Out"
ODD = [
    f"a\r\n{MARK}: 1",
    f"a\n{MARK}: 1\n\n<script>",
    "a\0b",
    "../../etc/passwd",
    "..%2f..%2fv1%2fstories",
    "story-٠٠٠٠٠٠٠٠-0000-4000-8000-000000000000",
    "story-" + "9" * 5000,
    '"; filename="evil.exe',
    "\x1b[2J\x1b]0;owned\x07",
    "\u2028\u202e\ufeff",
    "{id}%s{0}$(x)",
    "*.>",
]
"""What addresses, lines, shells, terminals, formats and subjects of NATS take for theirs."""
