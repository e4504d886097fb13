"""Signals that `clearspan run` gets in the instant in which its command has started and nothing more is done."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.cli import run


@pytest.fixture(autouse=True)
def _restored_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_start_is_passed_on(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            os.kill(os.getpid(), number)

    signal.signal(number, signal.default_int_handler)  # as `signals.hold` has it: it interrupts
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    assert run._passing_signals_on(["sleep", "1000"], os.environ, grace=60) == -number
