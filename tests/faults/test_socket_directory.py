"""Where an event socket may be: whoever may write to its directory could put another in its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.errors import StartError
from bridge.events.hub import Hub
from bridge.events.socket import CommandRefused, event_socket
from bridge.events.wire import Command, Hello
from tests.support.event_samples import START


def hello() -> Hello:
    """What a bridge says first."""
    return Hello(protocol=1, version="0", pid=1, url="http://127.0.0.1:1", started_at=START)


def refuse(_: Command) -> None:
    """Does nothing that it is told."""
    raise CommandRefused("no")


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o711])
async def test_one_that_only_its_owner_may_write_to_is_taken(tmp_path: Path, mode: int) -> None:
    path = directory(tmp_path, mode) / "e.sock"
    async with event_socket(path, Hub(), hello, refuse):
        assert path.is_socket()


@pytest.mark.parametrize("mode", [0o770, 0o720, 0o702, 0o707, 0o777, 0o1777])
async def test_one_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """One that is everybody's, as /tmp is (the sticky bit), nobody is told to close."""
    path = directory(tmp_path, mode) / "e.sock"
    close = "" if mode & 0o1000 else f"run 'chmod 700 {path.parent}' or "
    told = re.escape(f"can be trusted; {close}choose another place with --socket")
    with pytest.RaisesGroup(pytest.RaisesExc(StartError, match=told), allow_unwrapped=True):
        async with event_socket(path, Hub(), hello, refuse):
            pass
    assert not path.exists()


def directory(above: Path, mode: int) -> Path:
    """A directory of that mode."""
    made = above / "d"
    made.mkdir()
    made.chmod(mode)
    return made
