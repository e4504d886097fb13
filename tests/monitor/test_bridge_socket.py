"""The client against a real Unix socket that speaks the bridge's wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.picture import Picture
from bridge.events.vocabulary import AnswerDelta
from bridge.events.wire import Command, Envelope, Hello, History, Reply, Snapshot, decode_command, encode
from monitor.sources.bridge_socket import BridgeSource, LineSplitter
from monitor.state.state import BadLine, Incoming, Lost
from tests.support.play import HELLO, START
from tests.support.socket_server import DEADLINE_S, in_a_directory, listening


def snapshot(seq: int = 0) -> bytes:
    return encode(Snapshot.of(Picture(), seq, START))


def answer(seq: int, text: str) -> bytes:
    return encode(Envelope(seq, START, AnswerDelta("a", text)))


@define
class Heard:
    """What a client delivered, and a way to wait for it."""

    all: list[Incoming] = field(factory=list)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not met():  # noqa: ASYNC110  what a test waits for has no event
                await asyncio.sleep(0.005)

    def of(self, kind: type[Incoming]) -> list[Incoming]:
        return [message for message in self.all if isinstance(message, kind)]


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[tuple[BridgeSource, Heard]]:
    client, heard = BridgeSource(path), Heard()
    task = asyncio.create_task(client.run(heard.all.append))
    try:
        yield client, heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_it_delivers_what_the_bridge_says_in_order() -> None:
    async def test(path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot())
            for seq in range(1, 2_001):
                writer.write(answer(seq, f"word {seq}"))
            await reader.read()

        async with listening(path, serve), watching(path) as (_client, heard):
            await heard.until(lambda: len(heard.all) == 2_002)
            assert isinstance(heard.all[0], Hello)
            assert isinstance(heard.all[1], Snapshot)
            assert [message.seq for message in heard.all[2:] if isinstance(message, Envelope)] == list(range(1, 2_001))

    in_a_directory(test)


def test_a_line_of_megabytes_is_a_line() -> None:
    async def test(path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot() + answer(1, "x" * 5_000_000) + answer(2, "after"))
            await reader.read()

        async with listening(path, serve), watching(path) as (_client, heard):
            await heard.until(lambda: len(heard.all) == 4)
            big = heard.all[2]
            assert isinstance(big, Envelope)
            assert isinstance(big.event, AnswerDelta)
            assert len(big.event.text) == 5_000_000

    in_a_directory(test)


def test_bad_lines_are_skipped_and_counted_and_unknown_types_ignored() -> None:
    bad = [b"{", b"[1]", b'"x"', b"\xff\xfe", b"{}", b'{"type":"answer.delta","seq":1}', b'{"type":"hello"}',
           b'{"type":"answer.delta","seq":null,"at":"x","id":"a","text":"t"}', b"[" * 100_000]  # fmt: skip

    async def test(path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot() + b"\n\n" + b'{"type":"of.tomorrow","seq":1}\n')
            writer.write(b"\n".join(bad) + b"\n" + answer(2, "after"))
            await reader.read()

        async with listening(path, serve), watching(path) as (_client, heard):
            await heard.until(lambda: bool(heard.of(Envelope)))
            assert len(heard.of(BadLine)) == len(bad)
            assert len(heard.all) == 3 + len(bad)

    in_a_directory(test)


def test_a_history_stands_in_the_place_of_a_reply_and_is_delivered_before() -> None:
    async def test(path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot())
            command = decode_command(await reader.readline())
            writer.write(encode(History(0, START, command.n, [], more=False)))
            await reader.read()

        async with listening(path, serve), watching(path) as (client, heard):
            await heard.until(lambda: bool(heard.of(Snapshot)))
            reply = await client.send(Command(0, "history", session="s", limit=50))
            assert reply.ok
            assert len(heard.of(History)) == 1

    in_a_directory(test)


def test_it_comes_back_when_the_bridge_does() -> None:
    async def test(path: Path) -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot() + b'{"type":"hal')
            await writer.drain()

        async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot(7))
            await reader.read()

        async with watching(path) as (_client, heard):
            await heard.until(lambda: Lost("no bridge has made this socket yet") in heard.all)
            async with listening(path, hang_up):
                await heard.until(lambda: Lost("the bridge closed the connection") in heard.all)
            assert not heard.of(BadLine)
            async with listening(path, stay):
                await heard.until(
                    lambda: any(message.seq == 7 for message in heard.all if isinstance(message, Snapshot))
                )

    in_a_directory(test)


def test_another_protocol_is_refused_with_its_reason() -> None:
    async def test(path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(Hello(2, "9.0", 1, "http://127.0.0.1:8484", START)) + snapshot())
            await reader.read()

        async with listening(path, serve), watching(path) as (_client, heard):
            await heard.until(lambda: bool(heard.all))
            assert heard.all == [Lost("the bridge speaks protocol 2, this monitor 1")]

    in_a_directory(test)


def test_commands_get_their_own_replies() -> None:
    async def test(path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot())
            asked = [decode_command(await reader.readline()) for _ in range(4)]
            for command in reversed(asked):  # not in the order of asking
                unknown = command.command == "key.reset"
                writer.write(encode(Reply(command.n, not unknown, "no such key" if unknown else None)))
            assert {(command.command, command.id, command.provider, command.key) for command in asked} == {
                ("cancel", "a", None, None),
                ("key.reset", None, "openai", "sk-p...3f2a"),
                ("key.disable", None, "openai", "sk-p...3f2a"),
                ("key.enable", None, "openai", "sk-p...3f2a"),
            }
            await reader.read()

        async with listening(path, serve), watching(path) as (client, heard):
            await heard.until(lambda: bool(heard.of(Snapshot)))
            replies = await asyncio.gather(
                client.send(Command(0, "cancel", id="a")),
                client.send(Command(0, "key.reset", provider="openai", key="sk-p...3f2a")),
                client.send(Command(0, "key.disable", provider="openai", key="sk-p...3f2a")),
                client.send(Command(0, "key.enable", provider="openai", key="sk-p...3f2a")),
            )
            assert [reply.ok for reply in replies] == [True, False, True, True]
            assert replies[1].error == "no such key"

    in_a_directory(test)


def test_a_command_without_a_bridge_says_so() -> None:
    async def test(path: Path) -> None:
        assert await BridgeSource(path).send(Command(0, "cancel", id="a")) == Reply(
            None, False, "not connected to the bridge"
        )

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + snapshot())
            await reader.readline()  # and hangs up instead of answering

        async with listening(path, serve), watching(path) as (client, heard):
            await heard.until(lambda: bool(heard.of(Snapshot)))
            reply = await client.send(Command(0, "cancel", id="a"))
            assert (reply.ok, reply.error) == (False, "the connection to the bridge was lost")

    in_a_directory(test)


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b""))), st.data())
def test_lines_are_the_same_however_the_bytes_were_cut(whole: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in whole) + b"unfinished"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    lines, got = LineSplitter(1_000), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += list(lines.feed(stream[start:end]))
    assert got == [line for line in whole if line]


def test_a_line_without_end_is_dropped_and_the_next_is_whole() -> None:
    lines = LineSplitter(10)
    got = [line for chunk in (b"x" * 8, b"x" * 8, b"x\nshort\n", b"0123456789\n") for line in lines.feed(chunk)]
    assert got == [None, b"short", b"0123456789"]
