"""The commands as a newcomer runs them: no key, no terminal, no network."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tomllib
from functools import partial

import httpx
import trio

from bridge.cli.simulate import configuration_lines
from bridge.simulator.demo import demo_keys
from tests.support.command_line import Home, Said, clearspan, home, running, serving
from tests.support.until import until
from tests.support.world import KEYS, ask, provider, say_hello

LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3}  [0-9a-f ]{8}  [a-z]+(\.[a-z]+)? ")


def leftovers(here: Home) -> list[str]:
    """What a command left in the directory for temporary files."""
    return [path.name for path in (here.path / "tmp").iterdir()]


async def test_the_demo_shows_a_failover_thoughts_tools_and_tokens() -> None:
    with home() as here:
        (here.path / "tmp").mkdir()
        here.variables["TMPDIR"] = str(here.path / "tmp")
        # Slow enough that the first key still rests when the second is refused, on a busy machine too.
        said = await clearspan(here, "demo", "--headless", "--once", "--speed", "0.4", seconds=60)
        assert (said.code, said.err) == (0, "")
        _is_the_demo(said)
        assert leftovers(here) == []
        assert not here.socket.exists()


def _is_the_demo(said: Said) -> None:
    first, *lines, last = said.out.splitlines()
    assert first.startswith("listening on http://127.0.0.1:")
    assert re.fullmatch(r"\d+ requests, \d+ failovers, 1 key died, \d+ failed on purpose, \$\d\.\d+", last)
    assert all(LINE.match(line) for line in lines)
    failed = r"attempt\.failed +\w.* \d: attempt \d with sk-d\S+ failed: "
    assert re.search(failed + "429 rate_limited; the key cools down", said.out)
    assert re.search(failed + "401 unauthorized", said.out)
    assert re.search(r"thought\.recorded +\w.* \d: #0 reasoning_summary: \w*", said.out)
    assert re.search(r"tool\.called +\w.* \d: \w+ {", said.out)
    assert re.search(r"tokens\.used +\w.* \d: \d+ in, .*\d+ out", said.out)
    assert re.search(r"key\.changed +openai sk-d\S+ is temporary \(rate_limited\) until", said.out)
    assert "answer.delta" not in said.out
    ended = [line for line in lines if "interception.ended" in line]
    assert len(ended) == sum("interception.started" in line for line in lines)
    assert not [key for key in demo_keys() if key in said.out]


async def test_the_demo_minds_no_reader_that_leaves() -> None:
    with home() as here:
        async with running(here, "demo", "--headless", "--once") as demo:
            await demo.says("\n", 3)
            assert demo.process.stdout is not None
            await demo.process.stdout.aclose()
            assert (await demo.ends(), demo.err.decode()) == (0, "")


async def test_up_without_a_key_is_the_demo_and_says_so() -> None:
    with home() as here:
        async with running(here, "up") as up:
            await up.says("interception.started")
            assert b"No API key is configured, so this is the demo" in up.err
            assert await up.ends(signal.SIGTERM) == 0
            assert b"Traceback" not in up.err
        assert not here.socket.exists()


async def test_up_without_a_terminal_prints_events() -> None:
    async with provider(say_hello) as upstream:
        with home(OPENAI_API_KEY=KEYS[0]) as here:
            here.configure(
                f'[providers.openai]\ntype = "openai"\nbase_url = "{upstream}"\nkeys = ["env:OPENAI_API_KEY"]\n'
            )
            async with running(here, "up", "--port", "0") as up:
                await up.says("\n")
                assert up.lines[0].startswith("listening on http://127.0.0.1:")
                await ask(int(up.lines[0].rpartition(":")[2]))
                await up.says(": completed (200")
                assert await up.ends(signal.SIGINT) == 0
                assert all(LINE.match(line) for line in up.lines[1:])
                assert KEYS[0].encode() not in up.out + up.err
                assert b"Traceback" not in up.err


async def test_simulate_is_a_provider_of_its_own() -> None:
    with home() as here:
        async with running(here, "simulate", "--port", "0", "--speed", "1000") as simulated:
            await simulated.says("\n")
            url = simulated.lines[0].removeprefix("listening on ")
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(
                    f"{url}/v1/responses",
                    headers={"authorization": "Bearer sk-any"},
                    json={"model": "m", "input": "Hello", "stream": True},
                )
                refused = await client.post(f"{url}/v1/responses", json={"model": "m", "input": "Hello"})
            assert (answer.status_code, refused.status_code) == (200, 401)
            assert "event: response.completed" in answer.text
            assert await simulated.ends(signal.SIGTERM) == 0
            assert b"Traceback" not in simulated.err


async def test_the_lines_that_simulate_prints_make_a_bridge_for_it() -> None:
    with home() as here:
        scenario = here.path / "scenario.toml"
        scenario.write_text(
            'turns = ["hi"]\nother_keys = ["401"]\n[answers.hi]\nparts = [{ text = "Hi." }]\n'
            '[[keys]]\nkey = "sk-of-the-scenario"\nfates = ["429:7"]\n[[keys]]\nkey = "sk-\\"second\\""\n'
        )
        async with running(here, "simulate", "--port", "0", "--scenario", str(scenario), "--speed", "1") as simulated:
            await simulated.says('"]\n', 2)
            pasted = here.configure("\n".join(simulated.lines[1:]))
            said = await clearspan(here, "check")
            assert (said.code, said.err) == (0, ""), said.out
            async with serving(here) as (_, url), httpx.AsyncClient(trust_env=False) as client:
                for api in ("openai/v1/responses", "anthropic/v1/messages"):
                    asked = {"model": "m", "input": "Hello", "messages": [], "max_tokens": 9}
                    answer = await client.post(f"{url}/{api}", json=asked)
                    assert (answer.status_code, "Hi." in answer.text) == (200, True), answer.text
            assert await simulated.ends(signal.SIGTERM) == 0
            assert b"clearspan serve --config FILE" in simulated.err
        assert "[server]" not in pasted.read_text()


def test_the_lines_of_simulate_name_a_port_where_its_own_is_that_of_a_bridge() -> None:
    lines = tomllib.loads("\n".join(configuration_lines("http://127.0.0.1:8484", None)))
    assert lines["server"] == {"port": 8485}
    assert [len(provider["keys"]) for provider in lines["providers"].values()] == [2, 2]


async def test_a_scenario_file_says_how_each_key_fares() -> None:
    with home() as here:
        scenario = here.path / "scenario.toml"
        scenario.write_text(
            'turns = ["hi"]\n[answers.hi]\nparts = [{ text = "Hi." }]\n[[keys]]\nkey = "sk-bad"\nfates = ["429:7"]\n'
        )
        async with running(here, "simulate", "--port", "0", "--scenario", str(scenario), "--speed", "1") as simulated:
            await simulated.says("\n")
            url = simulated.lines[0].removeprefix("listening on ")
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(
                    f"{url}/v1/responses", headers={"authorization": "Bearer sk-bad"}, json={"model": "m", "input": "x"}
                )
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
            assert await simulated.ends(signal.SIGINT) == 0


async def test_what_simulate_prints_into_a_file_is_a_configuration() -> None:
    with home() as here:
        file = here.path / "bridge.toml"
        with file.open("wb") as printed:
            async with trio.open_nursery() as nursery:
                words = [sys.executable, "-P", "-m", "bridge", "simulate", "--port", "0"]
                process = await nursery.start(
                    partial(trio.run_process, words, stdout=printed, stderr=subprocess.DEVNULL, check=False)
                )
                await until(lambda: b"keys" in file.read_bytes())
                process.send_signal(signal.SIGTERM)
        assert b"# listening on http://127.0.0.1:" in file.read_bytes()
        assert "providers" in tomllib.loads(file.read_text())
