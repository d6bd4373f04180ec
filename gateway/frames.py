"""WebSocket frames and HTTP chunks as bytes, made once for any number of clients. Pure.

A server's frames are not masked (RFC 6455, section 5.1), so that without compression one frame's bytes are the same on
every socket.
"""

from __future__ import annotations

_FIN_TEXT = 0x81
_FIN_BINARY = 0x82
_SHORT = 125
_MEDIUM = 0xFFFF


def frame_bytes(message: str | bytes) -> bytes:
    """Return a whole message as one frame: text for `str`, binary for `bytes` (RFC 6455, section 5.2)."""
    if isinstance(message, str):
        first, payload = _FIN_TEXT, message.encode()
    else:
        first, payload = _FIN_BINARY, message
    size = len(payload)
    if size <= _SHORT:
        head = bytes((first, size))
    elif size <= _MEDIUM:
        head = bytes((first, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 127)) + size.to_bytes(8, "big")
    return head + payload


def chunk_bytes(data: bytes) -> bytes:
    """Return bytes as one chunk of an answer that is sent in chunks (RFC 9112, section 7.1); not for empty ones."""
    return b"%x\r\n%s\r\n" % (len(data), data)
