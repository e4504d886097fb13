"""What the commands print on a terminal of 80 columns, a real one: no line goes over its end, numbers stand in columns.

The bridge, its record and the simulated provider are real; each command is a process whose terminal this is.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve
from rich.cells import cell_len

from bridge.simulator.fates import KeyScript, parse_fates
from bridge.simulator.provider import SimulatedProvider
from tests.support.command_line import COMMAND, Home, home, serving
from tests.support.day.plan import key_of, scenario
from tests.support.simulated import SPEED
from tests.support.simulated import serving as simulated
from tests.support.until import until
from tests.support.world import ask

COLUMNS, ROWS = 80, 400
"""So many rows that no pager comes."""

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\a]*\a")

PROMPT = "find out why the report of the last month is always a day late, whoever asks for it, and say who knows"

NUMBERS = {
    "history": ("STATUS", "TRIES", "TIME", "IN", "OUT", "COST"),
    "stats": ("REQUESTS", "FAILED", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST"),
    "keys": ("COOLDOWN", "REQS LEFT", "TOKENS LEFT"),
    "sessions": ("REQUESTS", "COST"),
}
"""Columns whose cells end where their titles end."""


class TerminalSession:
    """A command on a terminal of its own; `written` is all that it has written there."""

    def __init__(self, process: trio.Process, master: int) -> None:
        self.process = process
        self.written = b""
        self._master = master

    async def read(self) -> None:
        """Takes what it writes, until it has closed its end."""
        while True:
            try:
                await trio.lowlevel.wait_readable(self._master)
                chunk = os.read(self._master, 65_536)
            except OSError:  # that is how Linux says that nobody holds the other end
                return
            if not chunk:
                return
            self.written += chunk

    @property
    def lines(self) -> list[str]:
        """The lines, without colours."""
        return ESCAPE.sub("", self.written.decode()).replace("\r\n", "\n").split("\n")


@asynccontextmanager
async def on_a_terminal(here: Home, *arguments: str) -> AsyncIterator[TerminalSession]:
    """Runs a command there beside the block, and to its end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await trio.lowlevel.open_process(
        [*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave,
        env={**here.environment, "TERM": "xterm-256color"}, cwd=here.path, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    session = TerminalSession(process, master)
    try:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.read)
                yield session
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        os.close(master)


async def printed(here: Home, *arguments: str) -> list[str]:
    """All that a command prints."""
    async with on_a_terminal(here, *arguments) as session:
        pass
    assert session.process.returncode == 0, session.lines
    return session.lines


async def ask_a_little(port: int) -> None:
    """Requests of two agents that go well, think, call tools, fail, and have keys cool."""
    for number in range(14):
        answer = ("plain", "thinks", "calls", "dear", "hides", "broken")[number % 6]
        headers = [("x-simulate-answer", answer), ("session-id", f"session-of-agent-{number % 2}")]
        agent = ("codex_exec/0.169.0", "AsyncOpenAI/Python 3.54.0")[number % 2]
        body = {"model": "gpt-5.1-codex", "input": f"{PROMPT}, step {number}", "stream": True}
        await ask(port, body, path="/openai/v1/responses", headers=[*headers, ("user-agent", agent)])


async def test_no_line_goes_over_the_end_and_numbers_stand_in_columns() -> None:
    keys = [key_of(number)[1] for number in range(5)]
    fates = (("insufficient_quota",), ("401",), ("ok",), ("ok",), ("ok",))
    scripts = [
        KeyScript(key, tuple(fate for text in texts for fate in parse_fates(text)))
        for key, texts in zip(keys, fates, strict=True)
    ]
    upstream = SimulatedProvider(evolve(scenario(1), keys=tuple(scripts)), seed=1, speed=SPEED)
    async with simulated(upstream) as url:
        with home(OPENAI_API_KEYS=",".join(keys)) as here:
            here.configure(
                f'[providers.openai]\ntype = "openai"\nbase_url = "{url}/v1"\n'
                'keys = ["env:OPENAI_API_KEYS"]\nstrategy = "round_robin"\naffinity = false\n'
            )
            async with serving(here, "--log-level", "error") as (_bridge, address):
                port = int(address.rpartition(":")[2])
                tail = await _tailed(here, port)
                sessions = {
                    "keys": await printed(here, "keys"),
                    "sessions": await printed(here, "sessions"),
                    "history": await printed(here, "history"),
                    **{
                        f"stats --by {by}": await printed(here, "stats", "--by", by)
                        for by in ("model", "key", "served")
                    },
                }
                for line in sessions["history"][1:7]:  # one of each kind of answer
                    sessions[f"show {line.split()[0]}"] = await printed(here, "show", line.split()[0])
    sessions["tail"] = tail
    for command, lines in sessions.items():
        wide = [line for line in lines if cell_len(line) > COLUMNS]
        assert wide == [], f"{command} goes over the end: {wide}"
        assert len(lines) > 2, f"{command} says little: {lines}"
        _check_columns(lines, NUMBERS.get(command.split()[0], ()))
    assert any("sk-d...k004" in line for line in sessions["stats --by key"])
    called = {re.split("  +", line)[2] for line in sessions["history"][1:] if line}
    assert called == {"Codex 1", "OpenAI… 1"}  # a number stays
    called = {line.partition(" · ")[0] for line in sessions["sessions"][1:] if line}
    assert called == {"Codex 1", "OpenAI SDK 1"}
    assert any("cooling" in line for line in sessions["keys"])
    assert any(re.search(r" dead 401 +unauthorized +check (1m00|\d+)s( |$)", line) for line in sessions["keys"])
    assert any(re.search(r" cooling +quota exhausted +(1h00m|59m\d\ds)( |$)", line) for line in sessions["keys"])
    assert "REQS LEFT" in sessions["keys"][0]  # sooner than how long they last, and who is there
    assert any("thought" in line.lower() for line in tail)


async def test_errors_and_remarks_go_on_at_words_and_paths_stay_whole() -> None:
    with home() as here:
        faulty = here.configure('[providers.openai]\ntype = "openai"\nkeys = ["file:/nowhere/at/all"]\nbogus = 1\n')
        async with on_a_terminal(here, "check") as checked:
            pass
        _check_words(checked, 2, str(faulty))
        nowhere = here.path / ("a-directory-with-a-name-that-is-rather-long/" + "and-one-below-it-as-well/e.sock")
        async with on_a_terminal(here, "keys", "--socket", str(nowhere)) as asked:
            pass
        _check_words(asked, 1, str(nowhere))
        doubtful = here.configure('[providers.openai]\ntype = "openai"\nbase_url = "http://127.0.0.1:1/old"\n')
        async with on_a_terminal(here, "check") as doubted:
            pass
        _check_words(doubted, 0, f"warning: {doubtful}:3:")
        assert any(line.startswith("  ") for line in doubted.lines)


def _check_words(session: TerminalSession, code: int, whole: str) -> None:
    """No line but one that is a single word goes over the end, and that word stands whole in some line."""
    assert session.process.returncode == code, session.lines
    wide = [line for line in session.lines if cell_len(line) > COLUMNS and " " in line.strip()]
    assert wide == []
    assert any(whole in line for line in session.lines), session.lines
    assert len(session.lines) > 3, session.lines  # it was too long for one


async def _tailed(here: Home, port: int) -> list[str]:
    async with on_a_terminal(here, "tail") as session:
        with trio.fail_after(30):
            while b"interception.ended" not in session.written:
                await ask_a_little(port)  # nothing tells when it has begun to listen
        await until(lambda: session.written.endswith(b"\n"))
        session.process.send_signal(signal.SIGINT)
    assert session.process.returncode == 130
    return session.lines


def _check_columns(lines: list[str], titles: tuple[str, ...]) -> None:
    head = next((line for line in lines if any(_end_of(title, line) for title in titles)), "")
    rows = lines[lines.index(head) + 1 :] if head else []
    rows = rows[: rows.index("")] if "" in rows else rows
    for title in titles:
        end = _end_of(title, head)
        if end is None:  # there was no room for it
            continue
        for row in rows:
            assert row[end - 1 : end].strip(), f"{title}: {row!r} has no number that ends below its title"
            assert not row[end : end + 1].strip(), f"{title}: {row!r} goes on below its title"


def _end_of(title: str, head: str) -> int | None:
    found = re.search(rf"(?:^|  ){title}(?=  |$)", head)
    return found.end() if found else None


def test_columns_that_do_not_stand_below_their_titles_are_found() -> None:
    _check_columns(["NAME   COST", "a     $1.00"], ("COST",))
    with pytest.raises(AssertionError):
        _check_columns(["NAME   COST", "a      $1.00"], ("COST",))
    with pytest.raises(AssertionError):
        _check_columns(["NAME   COST", "a    $1.00"], ("COST",))
