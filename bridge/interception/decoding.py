"""Takes the content encoding off the copy of a request or an answer that is read; what is relayed keeps it.

Upstream is asked for identity, so answers are for servers that encode all the same; of clients, Codex sends zstd. gzip,
deflate, br and zstd are undone, within bounds; what comes in any other encoding is relayed and not read. The libraries
for br and zstd are loaded when such a body comes.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from bridge.limits import KIB, LIMITS

Decode = Callable[[bytes], bytes]
"""Undoes the next chunk; none means that there is no more. Raises UndecodableError."""

_SLICE = 64 * KIB
"""So much is undone at one go: the libraries copy what stands behind a part that ends."""

_BROTLI_STEP = 256 * KIB
"""So much is asked of brotli at one go, since it may put out about twice that."""


class UndecodableError(ValueError):
    """The bytes are not in the encoding they say, or not to its end."""


class GrownTooLarge(UndecodableError):
    """The bytes may well be what they say, but take more to decode than is held here."""


class _Stream(Protocol):
    """One member of gzip, one frame of zstd."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decoder(encoding: bytes | None, largest: int = LIMITS.decoded_bytes) -> Decode | None:
    """What undoes this Content-Encoding, a chunk to at most `largest` bytes; None where nothing here does."""
    match (encoding or b"identity").strip().lower():
        case b"identity" | b"":
            return identity
        case b"gzip" | b"x-gzip":
            return _parts(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), zlib.error, largest)
        case b"deflate":
            return _parts(zlib.decompressobj, zlib.error, largest)
        case b"zstd":
            return _zstd(largest)
        case b"br":
            return _brotli(largest)
        case _:
            return None


def identity(chunk: bytes) -> bytes:
    """Nothing to undo."""
    return chunk


def _parts(fresh: Callable[[], _Stream], fault: type[Exception], largest: int) -> Decode:
    """gzip may have several members (RFC 1952, 2.2), zstd several frames (RFC 8878, 3)."""
    stream = fresh()
    broken = False  # behind what was whole; told with the next chunk, so that the whole is read

    def decode(chunk: bytes) -> bytes:
        nonlocal stream, broken
        if broken:
            raise _wrong()
        if not chunk and not stream.eof:
            raise _cut_short()
        pieces: list[bytes] = []
        room, parts = largest, 0
        for at in range(0, len(chunk), _SLICE):
            rest = chunk[at : at + _SLICE]
            while rest:
                if stream.eof:
                    stream, parts = fresh(), parts + 1
                    if parts > LIMITS.encoded_parts:
                        raise GrownTooLarge(f"a chunk of it has more than {LIMITS.encoded_parts} parts")
                try:
                    pieces.append(piece := _undo(stream, rest, room, fault))
                except UndecodableError as why:
                    broken = True
                    if not pieces or isinstance(why, GrownTooLarge):
                        raise
                    return b"".join(pieces)
                room -= len(piece)
                rest = stream.unused_data
        return b"".join(pieces)

    return decode


def _undo(stream: _Stream, chunk: bytes, room: int, fault: type[Exception]) -> bytes:
    try:
        piece = stream.decompress(chunk, room)
    except fault as why:
        if "too much memory" in str(why):  # libzstd's words for a window that is too large
            raise GrownTooLarge("its window is larger than is held") from None
        raise _wrong() from None
    if len(piece) >= room:
        raise _grown()
    return piece


def _library(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:  # a Python may be built without zstd
        return None


def _zstd(largest: int) -> Decode | None:
    zstd = _library("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    if zstd is None:
        return None
    options = {zstd.DecompressionParameter.window_log_max: LIMITS.zstd_window_bytes.bit_length() - 1}
    return _parts(lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError, largest)


def _brotli(largest: int) -> Decode | None:
    """There is one part (RFC 7932). What comes in one chunk with bytes behind its end is lost: the library keeps it."""
    brotli = _library("brotli")
    if brotli is None:
        return None
    stream: Any = brotli.Decompressor()

    def decode(chunk: bytes) -> bytes:
        pieces: list[bytes] = []
        room = largest
        try:
            if not chunk:
                if not stream.is_finished():
                    raise _cut_short()
                return b""
            while True:
                pieces.append(piece := stream.process(chunk, output_buffer_limit=_BROTLI_STEP))
                room -= len(piece)
                if room <= 0:
                    raise _grown()
                if stream.can_accept_more_data():
                    return b"".join(pieces)
                chunk = b""
        except brotli.error:
            raise _wrong() from None

    return decode


def _wrong() -> UndecodableError:
    return UndecodableError("it is not in the encoding that it names")


def _cut_short() -> UndecodableError:
    return UndecodableError("it ends before its encoding does")


def _grown() -> GrownTooLarge:
    return GrownTooLarge("a chunk of it decodes to more than is held")
