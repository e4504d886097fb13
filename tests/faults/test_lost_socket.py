"""The event socket's file, when somebody removes it, and when two want it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import trio

from bridge.errors import StartError
from bridge.events import socket
from bridge.events.claim import Claim
from bridge.events.hub import Hub
from bridge.events.wire import Command, Hello
from tests.faults.subscriber import subscriber
from tests.support.play import START
from tests.support.until import until
from tests.support.world import World, provider, say_hello, world


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "LOOK_S", 0.01)


async def answers(path: Path) -> None:
    """Waits until a bridge answers there."""
    await until(path.exists)
    async with subscriber(path) as listening:
        assert (await listening.command(1, "snapshot"))["ok"] is True


@pytest.mark.parametrize("what", ["socket", "both", "replaced"])
async def test_a_removed_socket_is_made_again_and_who_is_there_stays(what: str) -> None:
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket) as listening:
        lock = here.socket.with_name(here.socket.name + ".lock")
        for _ in range(3):
            here.socket.unlink()
            if what == "both":
                lock.unlink()
            if what == "replaced":
                here.socket.write_bytes(b"")
                await trio.sleep(0.1)  # it is no socket: not ours to remove
                assert here.socket.read_bytes() == b""
                here.socket.unlink()
            await answers(here.socket)
            assert lock.read_text() == f"{os.getpid()}\n"
            assert here.socket.stat().st_mode & 0o777 == 0o600
        assert (await listening.command(1, "snapshot"))["ok"] is True
    assert not here.socket.exists()


async def test_with_its_directory_too(tmp_path: Path) -> None:
    path = tmp_path / "run" / "events.sock"

    def hello() -> Hello:
        return Hello(1, "", 0, "", START)

    def perform(_: Command) -> None:
        raise AssertionError

    async with socket.event_socket(path, Hub(), hello, perform):
        shutil.rmtree(path.parent)
        await answers(path)
        assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_path_that_another_has_taken_meanwhile_is_left_to_it() -> None:
    async with provider(say_hello) as url, world(url) as here:
        here.socket.unlink()
        here.socket.with_name(here.socket.name + ".lock").unlink()
        other = Claim(here.socket)  # before ours has looked: no checkpoint since
        with other.listening:
            taken = here.socket.stat().st_ino
            await trio.sleep(0.1)
            assert here.socket.stat().st_ino == taken
        other.release()
        await answers(here.socket)


async def test_the_second_one_is_told_whose_it_is() -> None:
    async with provider(say_hello) as url, world(url) as here:
        refused(here)
        here.socket.unlink()  # the lock decides
        refused(here)


def refused(here: World) -> None:
    told = f"another bridge already uses the event socket {here.socket} \\(process {os.getpid()}\\)"
    with pytest.raises(StartError, match=told):
        Claim(here.socket)
