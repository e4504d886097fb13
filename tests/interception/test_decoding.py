"""Answers in an encoding: undone within bounds, and where that can't be done, relayed and judged by how HTTP ended."""

from __future__ import annotations

import gzip
import importlib
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.interception.decoding import Decode, GrownTooLarge, UndecodableError, decoder
from bridge.limits import LIMITS, MIB
from tests.support.world import HELLO, STREAM, Asked, Hang, Reply, World, ask, provider, world

brotli: Any = importlib.import_module("brotli")
zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

SAID = b"".join(HELLO)
PACKED = gzip.compress(SAID)
SKIPPED = b"\x50\x2a\x4d\x18\x03\0\0\0abc"  # a frame of zstd with nothing to read (RFC 8878, 3.1.2)


def undo(encoding: bytes, largest: int = MIB) -> Decode:
    """A decoder that there is."""
    decode = decoder(encoding, largest)
    assert decode is not None
    return decode


PACKINGS = {
    "gzip": (b"gzip", PACKED),
    "its older name": (b"X-GZIP", PACKED),
    "two members": (b"gzip", gzip.compress(SAID[:50]) + gzip.compress(SAID[50:])),
    "deflate": (b"deflate", zlib.compress(SAID)),
    "zstd": (b"zstd", zstd.compress(SAID)),
    "several frames": (b"zstd", SKIPPED + zstd.compress(SAID[:50]) + zstd.compress(b"") + zstd.compress(SAID[50:])),
    "br": (b"BR", brotli.compress(SAID)),
    "identity": (b"identity", SAID),
    "none": (b"", SAID),
}


@pytest.mark.parametrize("longest", [1, 7, 1000])
@pytest.mark.parametrize("name", PACKINGS)
def test_it_is_undone_however_it_comes(name: str, longest: int) -> None:
    encoding, packed = PACKINGS[name]
    decode = undo(encoding)
    pieces = [packed[at : at + longest] for at in range(0, len(packed), longest)]
    assert b"".join(map(decode, [*pieces, b""])) == SAID


@given(st.sampled_from(["two members", "several frames", "br"]), st.sets(st.integers(1, 2000)))
def test_it_is_undone_wherever_it_is_cut(name: str, cuts: set[int]) -> None:
    encoding, packed = PACKINGS[name]
    at = sorted({0, len(packed), *(cut for cut in cuts if cut < len(packed))})
    pieces = [packed[start:end] for start, end in pairwise(at)]
    assert b"".join(map(undo(encoding), [*pieces, b""])) == SAID


@given(st.sampled_from([b"gzip", b"deflate", b"zstd", b"br"]), st.data())
def test_whatever_comes_is_undone_or_told(encoding: bytes, data: st.DataObject) -> None:
    packed = {
        b"gzip": PACKED,
        b"deflate": zlib.compress(SAID),
        b"zstd": zstd.compress(SAID),
        b"br": brotli.compress(SAID),
    }
    changed = bytearray(packed[encoding])
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    decode = undo(encoding)
    for piece in (bytes(changed), data.draw(st.binary(max_size=20)), b"", b"again", b""):
        with suppress(UndecodableError):
            decode(piece)


@pytest.mark.parametrize("encoding", [b"gzip, zstd", b"zstd, br", b"compress", b"nonsense"])
def test_others_are_not_undone(encoding: bytes) -> None:
    assert decoder(encoding) is None


def broken(packed: bytes) -> dict[str, list[bytes]]:
    return {
        "another thing": [b"not so encoded", b""],
        "broken in the middle": [packed[:60] + b"\0" * 60, b""],
        "garbage behind it": [packed + b"garbage", b""],
        "a byte behind it": [packed + b"x", b""],
        "garbage later": [packed, b"garbage", b""],
        "no last byte": [packed[:-1], b""],
        "little more than a head": [packed[:12], b""],
        "nothing": [b""],
    }


@pytest.mark.parametrize("name", broken(b""))
@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br"])
def test_what_is_broken_is_told(encoding: str, name: str) -> None:
    packed, decode = PACKINGS[encoding][1], undo(encoding.encode())
    with pytest.raises(UndecodableError):
        list(map(decode, broken(packed)[name]))


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_is_whole_is_read_before_garbage_is_told(encoding: str) -> None:
    assert undo(encoding.encode())(PACKINGS[encoding][1] + b"garbage") == SAID


def test_a_window_that_takes_too_much_memory_is_not_held() -> None:
    for log, refused in ((23, False), (24, True), (27, True)):
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
        packed = packer.compress(SAID) + packer.flush()
        if refused:
            with pytest.raises(GrownTooLarge):
                undo(b"zstd")(packed)
        else:
            assert undo(b"zstd")(packed) == SAID


@pytest.mark.parametrize(
    ("encoding", "part"),
    [(b"zstd", SKIPPED), (b"zstd", zstd.compress(b"")), (b"gzip", gzip.compress(b""))],
    ids=["skipped", "zstd", "gzip"],
)
def test_it_has_so_many_parts_and_no_more(encoding: bytes, part: bytes) -> None:
    assert undo(encoding)(part * LIMITS.encoded_parts) == b""
    with pytest.raises(GrownTooLarge):
        undo(encoding)(part * (LIMITS.encoded_parts + 2))


@pytest.mark.parametrize("name", ["brotli", "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"])
def test_without_its_library_it_is_not_undone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert decoder(b"br" if name == "brotli" else b"zstd") is None


def test_it_grows_to_so_much_and_no_more() -> None:
    for packed in (gzip.compress(bytes(64 * MIB)), gzip.compress(bytes(MIB // 2)) * 3):
        with pytest.raises(GrownTooLarge):
            undo(b"gzip")(packed)
    for packed in (zstd.compress(bytes(64 * MIB)), zstd.compress(bytes(MIB // 2)) * 3):
        with pytest.raises(GrownTooLarge):
            undo(b"zstd")(packed)
    with pytest.raises(GrownTooLarge):
        undo(b"br")(brotli.compress(bytes(64 * MIB)))


@pytest.mark.parametrize("encoding", ["zstd", "br"])
def test_a_bomb_takes_little_more_memory_than_is_allowed(encoding: str) -> None:
    packed = zstd.compress(bytes(64 * MIB)) if encoding == "zstd" else brotli.compress(bytes(64 * MIB))
    decode = undo(encoding.encode(), 4 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(GrownTooLarge):
            decode(packed)
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()


@asynccontextmanager
async def answering(encoding: str, *pieces: bytes, whole: bool = True) -> AsyncIterator[World]:
    """A bridge before a provider whose stream has these bytes."""

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, [*STREAM, ("content-encoding", encoding)])
        for piece in pieces:
            await reply.chunk(piece)
        if not whole:
            raise Hang
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        yield here


UNREAD: dict[str, tuple[str, bytes]] = {
    "an encoding not undone here": ("compress", b"\x1f\x9dwhat only compress knows\x03"),
    "several at once": ("gzip, zstd", zstd.compress(PACKED)),
    "zstd cut short": ("zstd", zstd.compress(SAID)[:-20]),
    "br cut short": ("br", brotli.compress(SAID)[:-20]),
    "a bomb of br": ("br", brotli.compress(bytes(LIMITS.decoded_chunk_bytes + 1))),
    "a bomb of zstd": ("zstd", zstd.compress(bytes(LIMITS.decoded_chunk_bytes + 1))),
    "another thing": ("gzip", b"nothing of the kind"),
    "cut short": ("gzip", PACKED[:-20]),
    "broken in the middle": ("gzip", PACKED[:60] + b"\0" * 60),
    "garbage behind a part": ("gzip", gzip.compress(SAID[:100]) + b"garbage"),
    "a bomb": ("gzip", gzip.compress(bytes(LIMITS.decoded_chunk_bytes + 1))),
}


@pytest.mark.parametrize("name", UNREAD)
async def test_what_can_not_be_read_is_judged_by_how_http_ended(name: str) -> None:
    encoding, said = UNREAD[name]
    with capture_logs() as logs:
        async with answering(encoding, said) as here:
            answer = await ask(here.port)
            ended = await here.event("interception.ended")
    assert (answer.body, answer.complete) == (said, True)
    assert (ended.outcome, ended.error) == ("completed", None)
    told = [line for line in logs if line.get("part") != "traces"]  # by a thread that may outlive the tests of traces
    warned = [line for line in told if line["log_level"] in {"warning", "error", "critical"}]
    assert [line["event"] for line in warned] == ["an answer is relayed and not read"]
    assert not any("exc_info" in line for line in logs)


@pytest.mark.parametrize("name", ["zstd", "several frames", "br"])
async def test_an_answer_is_read_and_relayed_as_it_came(name: str) -> None:
    encoding, packed = PACKINGS[name]
    async with answering(encoding.decode(), packed[:30], packed[30:]) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert here.events("tokens.used")[0].output == 3
    assert (answer.body, answer.complete, ended.outcome) == (packed, True, "completed")


async def test_garbage_behind_a_whole_answer_does_not_matter() -> None:
    with capture_logs() as logs:
        async with answering("gzip", PACKED + b"garbage") as here:
            answer = await ask(here.port)
            ended = await here.event("interception.ended")
            assert here.events("tokens.used")[0].output == 3
    assert answer.body == PACKED + b"garbage"
    assert ended.outcome == "completed"
    assert not [line for line in logs if line["log_level"] == "error"]


async def test_what_can_not_be_read_and_breaks_off_has_failed() -> None:
    async with answering("compress", b"the beginning", whole=False) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.body, answer.complete) == (b"the beginning", False)
    assert ended.outcome == "failed"
