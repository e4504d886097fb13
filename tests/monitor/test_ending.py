"""A monitor can always be ended, also on a terminal that nobody reads, and with who started it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bridge.process import parent
from monitor.command import environment
from tests.support.frozen import DEADLINE_S, end_all, flooding, frozen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_where_nobody_reads_the_terminal(number: signal.Signals) -> None:
    codes = end_all(lambda monitor: monitor.process.send_signal(number))
    assert set(codes) <= {0, 130}  # it ended by itself


def test_a_terminal_that_is_closed_ends_it() -> None:
    codes = end_all(lambda monitor: os.close(monitor.master))
    assert set(codes) <= {0, 130}


def test_it_ends_with_who_started_it() -> None:
    async def run() -> int:
        async with flooding() as socket, frozen(socket, {parent.VARIABLE: "1"}) as monitor:
            async with asyncio.timeout(DEADLINE_S):
                return await monitor.process.wait()

    assert asyncio.run(run()) in {0, 130}


def test_it_gets_no_keys() -> None:
    ours = {
        "PATH": "/bin", "LC_ALL": "C.UTF-8", "CLEARSPAN_THEME": "light", "KEYBOARD": "qwerty",
        "OPENAI_API_KEY": "x", "OPENAI_API_KEYS": "x", "GH_TOKEN": "x", "CLIENT_SECRET": "x", "CLEARSPAN_TEST_KEY": "x",
        "OP_SERVICE_ACCOUNT_TOKEN": "x",
    }  # fmt: skip
    assert environment(ours) == {
        "PATH": "/bin", "LC_ALL": "C.UTF-8", "CLEARSPAN_THEME": "light", "KEYBOARD": "qwerty",
        parent.VARIABLE: str(os.getpid()),
    }  # fmt: skip
