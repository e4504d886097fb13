"""Standard streams that are closed, full, or that nobody reads: no traceback, no other exit code, no bridge ended."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from tests.support.command_line import COMMAND, Home, Said, home
from tests.support.until import until
from tests.support.world import HELLO, KEYS, ask, provider, say_hello

needs_prlimit = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="fills the disk of a process that runs")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to a device that is always full")

UP = "started"
"""What the log says as soon as a bridge listens."""


async def in_a_shell(here: Home, line: str) -> Said:
    """Runs a command with the redirections of a shell to its end: `$0 ... >&-`."""
    with trio.fail_after(30):
        done = await trio.run_process(
            ["sh", "-c", line.replace("clearspan", '"$@"'), "sh", *COMMAND],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=here.environment,
            cwd=here.path,
        )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("clearspan check --changed >&-", 0),
        ("clearspan check --changed <&- >&- 2>&-", 0),
        ("clearspan history 2>&-", 1),  # there is no record yet
        ("clearspan no-such-command 2>&-", 2),
        ("clearspan env codex <&- 2>&-", 0),
        ("clearspan run -- true 2>&-", 0),
        ("clearspan run -- true <&- >&- 2>&-", 0),
        ("clearspan run -- sh -c 'echo word; exit 7' 2>&-", 7),
        ("clearspan demo --headless --once --speed 50 2>&-", 0),
        ("clearspan demo --headless --once --speed 50 <&- >&- 2>&-", 0),
        pytest.param("clearspan no-such-command 2>/dev/full", 2, marks=needs_full),
        pytest.param("clearspan history 2>/dev/full", 1, marks=needs_full),
        pytest.param("clearspan run -- sh -c 'exit 7' 2>/dev/full", 7, marks=needs_full),
        pytest.param("clearspan env codex 2>/dev/full", 0, marks=needs_full),
    ],
)
async def test_a_stream_that_is_not_there_changes_no_exit_code(line: str, code: int) -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure("[server]\nport = 0\n")
        said = await in_a_shell(here, line)
    assert (said.code, "Traceback" in said.err) == (code, False), said


async def test_what_is_opened_does_not_take_the_place_of_a_stream() -> None:
    """Whoever writes to standard error would write there, into the record it may be."""
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure("[server]\nport = 0\n")
        said = await in_a_shell(here, "clearspan run -- sh -c 'ls -l /proc/$PPID/fd/0 /proc/self/fd/2' <&- 2>&-")
    assert said.out.count("/dev/null") == 2


@pytest.mark.parametrize("command", ["serve", "simulate"])
@pytest.mark.parametrize("output", ["gone", pytest.param("full", marks=needs_full), "closed"])
async def test_who_has_nobody_to_tell_where_it_listens_goes_on(command: str, output: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    redirection = {"gone": "", "full": ">/dev/full", "closed": ">&-"}[output]
    with home(OPENAI_API_KEY=KEYS[0]) as here, (here.path / "err").open("w+b") as errors:
        process = await trio.lowlevel.open_process(
            ["sh", "-c", f'exec "$@" {command} --port 0 {redirection}', "sh", *COMMAND],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=errors.fileno(),
            env=here.environment,
        )
        os.close(writer)
        try:
            what = UP if command == "serve" else "make a bridge for it"
            await until(lambda: what in (here.path / "err").read_text() or process.poll() is not None)
            assert process.returncode is None
            process.send_signal(signal.SIGTERM)
            with trio.fail_after(30):
                code = await process.wait()
        finally:
            process.kill()
        said = (here.path / "err").read_text()
    assert code == 0
    assert "Traceback" not in said
    assert ("standard output can't be written" in said) == (output != "closed")


@needs_prlimit
async def test_event_lines_on_a_full_disk(tmp_path: Path) -> None:
    """`clearspan up > FILE`: lines are lost, the bridge is not, and there are lines again where there is room again."""
    printed, logged = tmp_path / "printed", tmp_path / "logged"
    with home(OPENAI_API_KEY=KEYS[0]) as here, printed.open("wb") as out, logged.open("wb") as errors:
        async with provider(say_hello) as url:
            here.configure(
                f'[server]\nport = 0\n[record]\npath = "off"\n[providers.openai]\ntype = "openai"\nbase_url = "{url}"\n'
                f'keys = ["{KEYS[0]}"]\n'
            )
            process = await trio.lowlevel.open_process(
                [*COMMAND, "up"], stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=here.environment
            )
            try:
                await until(lambda: b"\n" in printed.read_bytes())
                port = int(printed.read_text().splitlines()[0].rpartition(":")[2])

                async def hello() -> None:
                    answer = await ask(port)
                    assert (answer.status, answer.body) == (200, b"".join(HELLO))

                await until(lambda: "started" in logged.read_text())
                while printed.stat().st_size < logged.stat().st_size + 2048:  # the limit is for the log too
                    await hello()
                    await trio.sleep(0.05)
                limit = (printed.stat().st_size, resource.RLIM_INFINITY)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
                await hello()
                await until(lambda: "events can't be printed" in logged.read_text())
                await hello()
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
                await hello()
                await until(lambda: "events are printed again" in logged.read_text())
                process.send_signal(signal.SIGTERM)
                with trio.fail_after(30):
                    assert await process.wait() == 0
            finally:
                process.kill()
    assert logged.read_text().count("events can't be printed") == 1
    assert printed.stat().st_size > limit[0]
