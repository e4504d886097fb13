"""`keys --watch` shows what changes, and `monitor --plain` says what happens."""

from __future__ import annotations

import signal
import socket

import trio

from bridge.events.wire import Command, encode
from tests.support.command_line import home, running, serving
from tests.support.world import KEYS, ask, provider, say_hello


async def test_keys_are_shown_again_when_one_changes_and_events_in_plain_lines() -> None:
    async with provider(say_hello) as upstream:
        with home(OPENAI_API_KEYS=",".join(KEYS)) as here:
            here.configure(
                f'[providers.openai]\ntype = "openai"\nbase_url = "{upstream}"\nkeys = ["env:OPENAI_API_KEYS"]\n'
            )
            async with (
                serving(here, "--log-level", "error") as (_bridge, url),
                running(here, "keys", "--watch") as keys,
                running(here, "monitor", "--plain") as lines,
            ):
                await keys.says("sk-c...0003  valid")
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as command:
                    command.connect(str(here.socket))
                    command.sendall(encode(Command(1, "key.disable", provider="openai", key="sk-c...0003")))
                    await keys.says("sk-c...0003  off")
                while "interception.ended" not in lines.out.decode():  # nothing tells when it has begun to listen
                    assert (await ask(int(url.rpartition(":")[2]))).status == 200
                    await trio.sleep(0.1)
                assert lines.out.isascii()
                assert await keys.ends(signal.SIGINT) == 130
                assert await lines.ends(signal.SIGINT) == 130
                assert b"Traceback" not in keys.err + lines.err
