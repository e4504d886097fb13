"""`clearspan run -- CMD`: agents and SDKs with their default settings reach the bridge; CMD fares as under a shell.

The agents here are programs as anybody writes them: they know nothing of a bridge.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
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
    assert (done.returncode, done.stderr) == (0, b"")
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


async def test_a_bridge_that_cannot_start_is_told_in_its_own_words(desk: Workplace) -> None:
    async with served(desk.place, desk.root) as bridge:
        taken = desk.place / "taken"
        taken.mkdir()
        options = configure(taken, desk.root)
        words = [sys.executable, "-m", "bridge", "run", *options, "--port", str(bridge.port), "--", "true"]
        done = await trio.run_process(words, capture_stderr=True, check=False, env=environment(taken))
        pid = bridge.process.pid
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"clearspan: the bridge did not start: cannot listen on 127.0.0.1 port {bridge.port}: a bridge runs there "
        f"already (process {pid}): see it with 'clearspan monitor'; choose another with --host or --port\n"
    )


async def test_a_bridge_whose_keys_are_at_fault_ends_as_one_started_by_hand(desk: Workplace) -> None:
    options = configure(desk.place, desk.root)
    words = [sys.executable, "-m", "bridge", "run", *options, "--", "true"]
    without_key = environment(desk.place) | {"CLEARSPAN_TEST_KEY": ""}
    done = await trio.run_process(words, capture_stderr=True, check=False, env=without_key)
    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2  # one for each provider
    assert all(line.startswith(f"clearspan: {desk.place}/config.toml:") for line in lines)


FAKE_CLAUDE = """#!{python}
import os, urllib.request
around = [name for name in os.environ if name == "ANTHROPIC_API_KEY" or name.startswith("CLAUDE_CODE_USE")]
assert not around, around
request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
    b'{{"model": "m", "max_tokens": 9, "messages": [{{"role": "user", "content": "simulate plain"}}]}}',
    {{"authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"], "content-type": "application/json"}},
)
print(urllib.request.urlopen(request).status)
"""


async def test_an_agent_is_kept_from_going_around_the_bridge(desk: Workplace) -> None:
    agent = desk.place / "claude"
    agent.write_text(FAKE_CLAUDE.format(python=sys.executable))
    agent.chmod(0o700)
    options = configure(desk.place, desk.root)
    words = [sys.executable, "-m", "bridge", "run", *options, "--", str(agent)]
    around = {"ANTHROPIC_API_KEY": "sk-ant-own", "CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_USE_VERTEX": "1"}
    with trio.fail_after(60):
        done = await trio.run_process(
            words,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment(desk.place) | around,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"200\n", b"")
    (exchange,) = desk.exchanges
    assert exchange.request.headers["x-api-key"] == KEYS[0]


@pytest.mark.parametrize("runs_already", [True, False])
async def test_a_command_of_which_nothing_arrived_is_told_what_to_do(desk: Workplace, *, runs_already: bool) -> None:
    pi = desk.place / "pi"
    pi.write_text("#!/bin/sh\nexit 3\n")
    pi.chmod(0o700)
    async with served(desk.place, desk.root) if runs_already else nullcontext():
        unknown = await desk.run("true")
        known = await desk.run(str(pi))
    assert (unknown.returncode, known.returncode) == (0, 3)
    assert unknown.stderr.startswith(b"clearspan: no request of this command reached the bridge.")
    assert b"see 'clearspan env'" in unknown.stderr
    assert known.stderr.startswith(b"clearspan: no request of pi reached the bridge.")
    assert b"see 'clearspan env pi'" in known.stderr
