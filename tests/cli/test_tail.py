"""`clearspan tail`, with a real bridge: a line a block, piece by piece, and what is about one session alone."""

from __future__ import annotations

import signal
from functools import partial

import orjson
import pytest

from bridge.events.client import read_snapshot
from tests.support.command_line import Home, Running, clearspan, home, running, serving
from tests.support.until import until
from tests.support.world import KEYS, ask, provider, say_hello

Headers = list[tuple[str, str]]


def codex(session: str) -> Headers:
    return [("user-agent", "codex_exec/0.169.0"), ("session-id", session)]


def configure(here: Home, upstream: str) -> None:
    here.configure(f'[providers.openai]\ntype = "openai"\nbase_url = "{upstream}"\nkeys = ["env:OPENAI_API_KEYS"]\n')


def is_over(here: Home, session: str) -> bool:
    """Whether the bridge has told the end of a request of that session: the client may have its answer before."""
    return any(
        each.started.session_id == session and not each.live for each in read_snapshot(here.socket).interceptions
    )


async def heard(command: Running, port: int, headers: Headers) -> None:
    """Asks until the command has listened from the first event to the last."""
    while command.out.count(b"interception.ended") < 1:
        answer = await ask(port, {"model": "gpt-5.1-codex", "input": "Hi", "stream": True}, headers=headers)
        assert answer.status == 200


async def test_a_line_a_block_or_a_piece_and_one_session_by_its_name_or_its_id() -> None:
    async with provider(say_hello) as upstream:
        with home(OPENAI_API_KEYS=",".join(KEYS)) as here:
            configure(here, upstream)
            async with serving(here, "--log-level", "error") as (_bridge, url):
                port = int(url.rpartition(":")[2])
                for session in ("thread-a", "thread-b"):
                    await ask(port, headers=codex(session))
                    await until(partial(is_over, here, session))
                async with (
                    running(here, "tail") as blocks,
                    running(here, "tail", "--deltas") as pieces,
                    running(here, "tail", "--follow", "codex 2") as by_name,
                    running(here, "tail", "--follow", "thread-b") as by_id,
                    running(here, "tail", "--follow", "thread-b", "--json") as as_json,
                ):
                    for command, session in (
                        (blocks, "thread-a"), (pieces, "thread-a"), (by_name, "thread-b"), (by_id, "thread-b"),
                        (as_json, "thread-b"),
                    ):  # fmt: skip
                        await heard(command, port, codex(session))
                    for command in (blocks, pieces, by_name, by_id, as_json):
                        assert await command.ends(signal.SIGINT) == 130
                        assert command.err.strip() == b""
    assert b"answer.delta" not in blocks.out
    assert b"  answer                Codex 1: " in blocks.out
    assert b"  answer.delta          Codex 1: " in pieces.out
    for command in (by_name, by_id):
        assert {line.split("  ")[1] for line in command.lines} <= {
            line.split("  ")[1] for line in command.lines if "Codex 2" in line
        }
        assert b"Codex 1" not in command.out
    hello, snapshot, *events = map(orjson.loads, as_json.lines)
    assert (hello["type"], snapshot["type"]) == ("hello", "snapshot")
    assert {event["session_id"] for event in events if event["type"] == "interception.started"} == {"thread-b"}
    assert all(event.get("id") for event in events)


async def test_what_is_not_there_yet_is_waited_for_and_one_request_is_followed_to_its_end() -> None:
    async with provider(say_hello) as upstream:
        with home(OPENAI_API_KEYS=",".join(KEYS)) as here:
            configure(here, upstream)
            async with serving(here, "--log-level", "error") as (_bridge, url):
                port = int(url.rpartition(":")[2])
                answer = await ask(port, headers=codex("thread-a"))
                over = answer.header("x-clearspan-interception") or ""
                await until(partial(is_over, here, "thread-a"))
                said = await clearspan(here, "tail", "--follow", over[:8])
                assert (said.code, said.out) == (1, "")
                assert said.err == f"clearspan: {over[:8]} has ended; 'clearspan show {over[:8]}' prints it\n"
                async with running(here, "tail", "--follow", "thread-b") as waiting:
                    while b"waiting for one" not in waiting.err:
                        await ask(port, headers=codex("thread-a"))
                    await heard(waiting, port, codex("thread-b"))
                    assert b"Codex 1" not in waiting.out
                    assert await waiting.ends(signal.SIGINT) == 130


@pytest.mark.parametrize("wanted", ["", "  "])
async def test_nothing_can_not_be_followed(wanted: str) -> None:
    with home() as here:
        said = await clearspan(here, "tail", "--follow", wanted)
    assert said.code == 2
    assert "--follow takes a session's id or name" in said.err
