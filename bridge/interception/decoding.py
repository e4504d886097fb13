"""Takes the content encoding off the copy of an answer that is read; what the client gets keeps it.

Upstream is asked for identity, so this is for servers that encode all the same. gzip and deflate are undone, within
bounds; an answer in any other encoding is relayed and not read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

LARGEST = 16 * 1024 * 1024
"""The most one chunk may grow to, in bytes: 50 kB of gzip can hold 50 MB."""

Decode = Callable[[bytes], bytes]


class UndecodableError(ValueError):
    """The bytes are not in the encoding they say."""


class GrownTooLarge(UndecodableError):
    """The bytes may well be what they say, but decode to more than is held here."""


def decoder(encoding: bytes | None) -> Decode | None:
    """What undoes this Content-Encoding; None where nothing here does."""
    match (encoding or b"identity").strip().lower():
        case b"identity" | b"":
            return identity
        case b"gzip" | b"x-gzip":
            return _inflate(zlib.MAX_WBITS | 16)
        case b"deflate":
            return _inflate(zlib.MAX_WBITS)
        case _:
            return None


def identity(chunk: bytes) -> bytes:
    """Nothing to undo."""
    return chunk


def _inflate(window_bits: int) -> Decode:
    stream = zlib.decompressobj(window_bits)

    def decode(chunk: bytes) -> bytes:
        try:
            plain = stream.decompress(chunk, LARGEST)
        except zlib.error as error:
            raise UndecodableError(str(error)) from error
        if stream.unconsumed_tail:
            raise GrownTooLarge(f"one chunk decodes to more than {LARGEST} bytes")
        return plain

    return decode
