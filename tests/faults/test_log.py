"""A log that can't be written harms nothing: no request, no grace, not the bridge."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.support.served import Served, served, stop
from tests.support.world import HELLO, STREAM, Asked, Reply, ask, provider, say_hello

LOST = "log lines could not be written"
READ_AGAIN = "the configuration was read again"

needs_prlimit = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="fills the disk of a process that runs")


@contextmanager
def nobody_reads() -> Iterator[int]:
    """A pipe whose reader has left, as after `clearspan serve 2>&1 | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


async def served_hello(bridge: Served) -> None:
    """A request that goes well."""
    answer = await ask(bridge.port)
    assert (answer.status, answer.complete, answer.body) == (200, True, b"".join(HELLO))


@needs_prlimit
async def test_a_disk_that_is_full_for_log_and_record(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        async with provider(say_hello) as url, served(tmp_path, url.removesuffix("/v1"), log=log.fileno()) as bridge:
            await served_hello(bridge)
            await bridge.until("interception.ended")
            full = log.seek(0, os.SEEK_END) + 7  # in the midst of a line
            resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
            await served_hello(bridge)
            await bridge.until("record.failed")
            await served_hello(bridge)
            resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            await bridge.until("record.recovered")
            await stop(bridge)
    lines = (tmp_path / "log").read_text().splitlines()
    (told,) = [line for line in lines if LOST in line]
    assert "lost=1" in told  # that the record failed
    assert len(lines[lines.index(told) - 1]) == 7  # what was cut off has a line of its own
    assert "record is written again" in lines[lines.index(told) + 1]


async def test_a_changed_configuration_with_nobody_who_reads_of_it(tmp_path: Path) -> None:
    with nobody_reads() as log:
        async with provider(say_hello) as url, served(tmp_path, url.removesuffix("/v1"), log=log) as bridge:
            added = f'[providers.added]\ntype = "openai"\nbase_url = "{url}"\nkeys = ["sk-canary-added-0001"]\n'
            with (tmp_path / "config.toml").open("a") as file:
                file.write(added)
            bridge.process.send_signal(signal.SIGHUP)
            with trio.fail_after(30):
                while (await ask(bridge.port, path="/added/v1/responses")).status != 200:  # noqa: ASYNC110  # no event
                    await trio.sleep(0.01)
            await stop(bridge)


async def test_a_stream_has_its_grace_with_nobody_who_reads_of_the_stop(tmp_path: Path) -> None:
    stopping = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await stopping.wait()
        await reply.chunk(HELLO[1] + HELLO[2])
        await reply.end()

    with nobody_reads() as log:
        async with provider(handle) as url, served(tmp_path, url.removesuffix("/v1"), log=log) as bridge:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served_hello, bridge)
                await bridge.until("attempt.started")
                bridge.process.send_signal(signal.SIGTERM)
                await bridge.until("bridge.stopping")
                stopping.set()
            with trio.fail_after(30):
                assert await bridge.process.wait() == 0
            assert (await bridge.until("interception.ended"))["outcome"] == "completed"


async def test_an_answer_that_is_not_what_it_says_with_nobody_who_reads_of_it(tmp_path: Path) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, [*STREAM, ("content-encoding", "gzip")])
        for event in HELLO:
            await reply.chunk(event)
        await reply.end()

    with nobody_reads() as log:
        async with provider(handle) as url, served(tmp_path, url.removesuffix("/v1"), log=log) as bridge:
            await served_hello(bridge)
            assert (await bridge.until("interception.ended"))["outcome"] == "completed"
            await stop(bridge)


async def test_a_reader_that_stands_still_holds_nothing_up(tmp_path: Path) -> None:
    """As a pager does that shows the first screen, or a terminal after ^S."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filled = 0
    try:
        while True:
            filled += os.write(writer, b"." * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    try:
        async with provider(say_hello) as url, served(tmp_path, url.removesuffix("/v1"), log=writer) as bridge:
            await served_hello(bridge)
            os.read(reader, filled)
            bridge.process.send_signal(signal.SIGHUP)
            said = b""
            with trio.fail_after(30):
                while READ_AGAIN.encode() not in said:
                    said += await trio.to_thread.run_sync(os.read, reader, 65536, abandon_on_cancel=True)
            told, *others = said.decode().splitlines()
            assert LOST in told
            assert any(READ_AGAIN in line for line in others)
            await stop(bridge)
    finally:
        os.close(reader)
        os.close(writer)
