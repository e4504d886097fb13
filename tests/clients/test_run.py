"""`clearspan run -- CMD`: SDKs with their default settings reach the bridge, and the command fares as under a shell.

The agent here is a program as anybody writes one: it knows nothing of a bridge.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from attrs import frozen

from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from tests.support.record_desk import rows
from tests.support.served import configure, environment, served
from tests.support.simulated import SPEED, serving
from tests.support.world import KEYS

AGENT = """
import anthropic, openai
with openai.OpenAI() as client:
    print(client.responses.create(model="m", input="simulate plain").output_text)
    chat = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "simulate plain"}])
    print(chat.choices[0].message.content)
with anthropic.Anthropic() as client:
    said = [{"role": "user", "content": "simulate plain"}]
    print(client.messages.create(model="m", max_tokens=100, messages=said).content[0].text)
"""


@frozen
class Workplace:
    """A folder with a configuration, the provider behind it, and no bridge yet."""

    place: Path
    root: str
    exchanges: list[SimulatedExchange]

    async def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """`clearspan run -- COMMAND`."""
        words = [sys.executable, "-m", "bridge", "run", *configure(self.place, self.root), "--", *command]
        with trio.fail_after(60):
            return await trio.run_process(
                words, capture_stdout=True, capture_stderr=True, check=False, env=environment(self.place)
            )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Workplace]:
    exchanges: list[SimulatedExchange] = []
    async with serving(SimulatedProvider(speed=SPEED, on_exchange=exchanges.append)) as url:
        yield Workplace(tmp_path, url, exchanges)


async def test_an_agent_with_default_settings_reaches_the_bridge(desk: Workplace) -> None:
    agent = desk.place / "agent.py"
    agent.write_text(AGENT)
    done = await desk.run(sys.executable, str(agent))
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3
    assert set(lines) == {lines[0]}
    assert [exchange.request.path for exchange in desk.exchanges] == [
        "/v1/responses",
        "/v1/chat/completions",
        "/v1/messages",
    ]
    keys = [
        exchange.request.headers.get("x-api-key") or exchange.request.headers["authorization"].removeprefix("Bearer ")
        for exchange in desk.exchanges
    ]
    assert keys == [KEYS[0]] * 3
    assert not (desk.place / "events.sock").exists()  # the bridge was started for the command, and ended with it
    record = rows(desk.place / "clearspan.db", "interceptions")
    clients = ["OpenAI SDK", "OpenAI SDK", "Anthropic SDK"]
    assert [(row["outcome"], row["client"]) for row in record] == [("completed", client) for client in clients]


async def test_a_bridge_that_runs_is_used(desk: Workplace) -> None:
    show = "import os; print(os.environ['OPENAI_BASE_URL'], os.environ['ANTHROPIC_BASE_URL'])"
    async with served(desk.place, desk.root) as bridge:
        done = await desk.run(sys.executable, "-c", show)
        assert bridge.process.returncode is None
    url = f"http://127.0.0.1:{bridge.port}"
    assert done.stdout.decode().split() == [f"{url}/openai/v1", f"{url}/anthropic"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ([sys.executable, "-c", "raise SystemExit(7)"], 7),
        ([sys.executable, "-c", f"import os, signal; os.kill(os.getpid(), {signal.SIGTERM.value})"], 143),
        (["no-such-command-anywhere"], 127),
        (["/"], 126),
    ],
)
async def test_its_exit_code_is_passed_on(desk: Workplace, command: list[str], code: int) -> None:
    async with served(desk.place, desk.root):
        done = await desk.run(*command)
    assert done.returncode == code, done.stderr.decode()
    if code in {126, 127}:
        assert command[0] in done.stderr.decode()


async def test_a_bridge_that_cannot_start_is_told(desk: Workplace) -> None:
    async with served(desk.place, desk.root) as bridge:
        taken = desk.place / "taken"
        taken.mkdir()
        options = configure(taken, desk.root)
        words = [sys.executable, "-m", "bridge", "run", *options, "--port", str(bridge.port), "--", "true"]
        done = await trio.run_process(words, capture_stderr=True, check=False, env=environment(taken))
    assert done.returncode == 1
    assert b"did not start" in done.stderr
    assert str(taken / "clearspan.log").encode() in done.stderr
    assert b"cannot listen" in (taken / "clearspan.log").read_bytes()
