"""What our commands start is ours, also in the folder of a project that has a `bridge` and a `monitor` of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from monitor.command import MonitorOptions, command_line
from tests.support.served import configure, environment

IMPOSTOR = "raise SystemExit('this is another program')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in which `python -m bridge` and `python -m monitor` are somebody else's."""
    folder = tmp_path / "project"
    (folder / "bridge").mkdir(parents=True)
    for name in ("bridge/__init__.py", "bridge/__main__.py", "monitor.py"):
        (folder / name).write_text(IMPOSTOR)
    return folder


async def test_run_starts_this_bridge_and_no_other(project: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "bridge", "run", *configure(tmp_path, "http://127.0.0.1:1"), "--", "printenv"]
    with trio.fail_after(60):
        done = await trio.run_process(
            words, capture_stdout=True, capture_stderr=True, check=False, env=environment(tmp_path), cwd=project
        )
    assert done.returncode == 0, done.stderr.decode()
    assert b"OPENAI_BASE_URL=http://127.0.0.1:" in done.stdout


async def test_up_demo_and_web_show_this_monitor_and_no_other(project: Path) -> None:
    with trio.fail_after(60):
        done = await trio.run_process(
            command_line(MonitorOptions(project / "events.sock")),
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(project)},
            cwd=project,
        )
    assert done.returncode == 2
    assert b"the monitor needs a terminal" in done.stderr
