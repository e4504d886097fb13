"""Answers in an encoding: undone within bounds, and where that can't be done, relayed and judged by how HTTP ended."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from bridge.interception.decoding import Decode, GrownTooLarge, UndecodableError, decoder
from bridge.limits import LIMITS, MIB
from tests.support.world import HELLO, STREAM, Asked, Hang, Reply, World, ask, provider, world

SAID = b"".join(HELLO)
PACKED = gzip.compress(SAID)


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


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, br", b"nonsense"])
def test_others_are_not_undone(encoding: bytes) -> None:
    assert decoder(encoding) is None


BROKEN: dict[str, list[bytes]] = {
    "another thing": [b"not gzip"],
    "broken in the middle": [PACKED[:60] + b"\0" * 60, b""],
    "garbage behind it": [PACKED + b"garbage", b""],
    "garbage later": [PACKED, b"garbage"],
    "no last byte": [PACKED[:-1], b""],
    "little more than a head": [PACKED[:12], b""],
    "nothing": [b""],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_told(name: str) -> None:
    decode = undo(b"gzip")
    with pytest.raises(UndecodableError):
        list(map(decode, BROKEN[name]))


def test_it_grows_to_so_much_and_no_more() -> None:
    for packed in (gzip.compress(bytes(64 * MIB)), gzip.compress(bytes(MIB // 2)) * 3):
        with pytest.raises(GrownTooLarge):
            undo(b"gzip")(packed)


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
    "an encoding not undone here": ("br", b"\x0b\x02\x80what only brotli knows\x03"),
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
    warned = [line for line in logs if line["log_level"] in {"warning", "error", "critical"}]
    assert [line["event"] for line in warned] == ["an answer is relayed and not read"]
    assert not any("exc_info" in line for line in logs)


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
    async with answering("br", b"the beginning", whole=False) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.body, answer.complete) == (b"the beginning", False)
    assert ended.outcome == "failed"
