"""Takes the content encoding off the copy of an answer that is read; what the client gets keeps it.

Upstream is asked for identity, so this is for servers that encode all the same. gzip and deflate are undone, within
bounds; an answer in any other encoding is relayed and not read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from bridge.limits import LIMITS

Decode = Callable[[bytes], bytes]
"""Undoes the next chunk; none means that there is no more. Raises UndecodableError."""


class UndecodableError(ValueError):
    """The bytes are not in the encoding they say, or not to its end."""


class GrownTooLarge(UndecodableError):
    """The bytes may well be what they say, but decode to more than is held here."""


def decoder(encoding: bytes | None, largest: int = LIMITS.decoded_bytes) -> Decode | None:
    """What undoes this Content-Encoding, a chunk to at most `largest` bytes; None where nothing here does."""
    match (encoding or b"identity").strip().lower():
        case b"identity" | b"":
            return identity
        case b"gzip" | b"x-gzip":
            return _inflate(zlib.MAX_WBITS | 16, largest)
        case b"deflate":
            return _inflate(zlib.MAX_WBITS, largest)
        case _:
            return None


def identity(chunk: bytes) -> bytes:
    """Nothing to undo."""
    return chunk


def _inflate(window_bits: int, largest: int) -> Decode:
    stream = zlib.decompressobj(window_bits)
    garbage = b""  # behind what was whole; told with the next chunk, so that the whole is read

    def decode(chunk: bytes) -> bytes:
        nonlocal stream, garbage
        if not chunk and not stream.eof and not garbage:
            raise UndecodableError("it ends before its encoding does")
        chunk, garbage = garbage + chunk, b""
        pieces: list[bytes] = []
        room = largest
        while chunk:
            if stream.eof:
                stream = zlib.decompressobj(window_bits)  # gzip may have several members (RFC 1952, 2.2)
            try:
                pieces.append(piece := stream.decompress(chunk, room))
            except zlib.error:
                if not pieces:
                    raise UndecodableError("it is not in the encoding that it names") from None
                garbage = chunk
                break
            room -= len(piece)
            if room <= 0 or stream.unconsumed_tail:
                raise GrownTooLarge(f"a chunk of it decodes to {largest} bytes or more")
            chunk = stream.unused_data
        return b"".join(pieces)

    return decode
