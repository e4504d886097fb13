"""Signals that come before the bridge runs, while it reads keys, and after it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from bridge.process.parent import VARIABLE
from tests.faults.answers import begin_and_hang
from tests.faults.test_signals import served
from tests.faults.wire import BEGUN, client, health, request
from tests.support.command_line import Home, home, running
from tests.support.until import until
from tests.support.world import KEYS, provider

TOLD = """
import sys
from bridge.process import signals
hold = signals.hold
def hold_and_tell():
    hold()
    print("held", flush=True)
signals.hold = hold_and_tell
from bridge.__main__ import main
main()
"""
"""`clearspan` that says when its first line has run."""

AFTER_S = 1.0
"""How long hang-ups go on when it listens, in seconds."""


async def test_hang_ups_never_end_a_bridge_that_starts() -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", TOLD, "serve", "--port", "0"], stdout=subprocess.PIPE, env=here.environment
        )
        assert process.stdout is not None
        said = b""
        async with process.stdout, trio.open_nursery() as nursery:
            try:
                with trio.fail_after(30):
                    while b"held" not in said:
                        said += await process.stdout.receive_some()

                async def hang_up() -> None:
                    while process.poll() is None:
                        process.send_signal(signal.SIGHUP)
                        await trio.sleep(0.005)

                nursery.start_soon(hang_up)
                with trio.fail_after(30):
                    while b"listening on " not in said:
                        chunk = await process.stdout.receive_some()
                        assert chunk, process.returncode
                        said += chunk
                await trio.sleep(AFTER_S)
                process.send_signal(signal.SIGTERM)
                with trio.fail_after(30):
                    assert await process.wait() == 0
            finally:
                process.kill()
                await process.wait()
                nursery.cancel_scope.cancel()


async def test_a_storm_of_signals_ends_it_with_130(tmp_path: Path) -> None:
    """Also those that come when it has ended as far as Trio goes, and Python winds up."""
    async with provider(begin_and_hang) as url, served(url, tmp_path, "1h") as here, client(here.port) as connection:
        await connection.send(request(here.port))
        await connection.received(BEGUN)
        async with trio.open_nursery() as nursery:

            async def storm() -> None:
                while here.process.poll() is None:
                    here.process.send_signal(signal.SIGTERM)
                    await trio.sleep(0.001)

            nursery.start_soon(storm)
            assert await here.ended() == 130


def slow(here: Home, number: int) -> Path:
    """Configures a key whose command does not end, and has a child; where it says its process group."""
    said = here.path / f"group-{number}"
    script = here.path / "slow"
    script.write_text(f"#!/bin/sh\necho $$ > {here.path}/new && mv {here.path}/new $1\nsleep 1000 & sleep 1000\n")
    script.chmod(0o700)
    here.configure(f'[providers.openai]\ntype = "openai"\nkeys = ["cmd:{script} {said}"]\n')
    return said


async def group_in(said: Path) -> int:
    await until(said.exists)
    group = int(await trio.Path(said).read_text())
    assert has_members(group)
    assert group != os.getpgrp()
    return group


def has_members(group: int) -> bool:
    """Whether a process of that group runs still; one that nobody has waited for does not."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, of = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            return True
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")

ENDS = [(signal.SIGTERM, 130), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]


@needs_proc
@pytest.mark.parametrize(("number", "code"), ENDS)
async def test_a_commands_group_ends_with_a_bridge_that_starts(number: signal.Signals, code: int) -> None:
    with home() as here:
        said = slow(here, 1)
        async with running(here, "serve", "--port", "0") as bridge:
            group = await group_in(said)
            assert await bridge.ends(number) == code
            await until(lambda: not has_members(group))
            assert b"Traceback" not in bridge.err


@needs_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
async def test_a_commands_group_ends_with_a_bridge_that_reads_again(number: signal.Signals, code: int) -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure('[providers.openai]\ntype = "openai"\nkeys = ["env:OPENAI_API_KEY"]\n')
        async with running(here, "serve", "--port", "0") as bridge:
            await bridge.says("\n")
            said = slow(here, 2)
            bridge.process.send_signal(signal.SIGHUP)
            group = await group_in(said)
            async with client(int(bridge.lines[0].rpartition(":")[2])) as connection:  # it serves meanwhile
                await connection.send(health(0))
                answer = await connection.answer()
                assert answer is not None
            assert await bridge.ends(number) == code
            await until(lambda: not has_members(group))
            assert b"Traceback" not in bridge.err


async def test_a_bridge_that_was_started_for_a_program_ends_with_it() -> None:
    with home(OPENAI_API_KEY=KEYS[0], **{VARIABLE: "1"}) as here:
        async with running(here, "serve", "--port", "0") as bridge:
            assert await bridge.ends() == 0
