"""The command line: options and where they come from, exit codes, and words instead of tracebacks."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from bridge import __version__
from bridge.cli.agents import AGENTS
from bridge.cli.main import cli
from bridge.errors import ConfigurationError
from bridge.events.wire import Envelope, Hello, Snapshot, decode
from tests.support.command_line import Home, Running, clearspan, home, running, serving
from tests.support.world import KEYS, ask, provider, say_hello

COMMANDS = ["up", "serve", "monitor", "demo", "simulate", "run", "env", "check", "tail", "keys"]


def invoke(*arguments: str, **environment: str | None) -> Result:
    """Runs a command in this process."""
    return CliRunner(env=environment).invoke(cli, arguments)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing of the user's own around."""
    for name in list(os.environ):
        if name.startswith("CLEARSPAN_") or "API_KEY" in name:
            monkeypatch.delenv(name)
    for module in ("bridge.config.load", "bridge.events.place"):
        monkeypatch.setattr(f"{module}.default_file", lambda: tmp_path / "none.toml")
    return tmp_path


def setting(result: Result, name: str) -> tuple[str, str]:
    """A setting's value and source as `check` prints them."""
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if line.split()[0] == name]
    _, value, source = re.split(r"\s{2,}", line)
    return value, source


OPTIONS = [
    ("host", "server.host", 'client_tokens = { a = "token-1" }\nhost = "127.0.0.3"', "127.0.0.4", "127.0.0.5"),
    ("port", "server.port", "port = 3", "4", "5"),
    ("socket", "server.socket", 'socket = "/run/three.sock"', "/run/four.sock", "/run/five.sock"),
    ("data-dir", "data_dir", "", "/var/four", "/var/five"),
    ("log-level", "log.level", "", "debug", "error"),
    ("log-format", "log.format", "", "json", "text"),
]


@pytest.mark.parametrize(("option", "name", "in_file", "in_environment", "on_line"), OPTIONS)
def test_an_option_goes_before_its_twin_before_the_file_before_the_default(
    option: str, name: str, in_file: str, in_environment: str, on_line: str, place: Path
) -> None:
    file = place / "config.toml"
    file.write_text(f"[server]\n{in_file}\n")
    twin = "CLEARSPAN_" + option.upper().replace("-", "_")
    environment = {"CLEARSPAN_CONFIG": str(file), twin: in_environment}
    value, source = setting(invoke("check", f"--{option}", on_line, **environment), name)
    assert (value.strip('"'), source) == (on_line, f"--{option}")
    value, source = setting(invoke("check", **environment), name)
    assert (value.strip('"'), source) == (in_environment, twin)
    if in_file:
        value, source = setting(invoke("check", "--config", str(file)), name)
        line = in_file.count("\n") + 2
        assert (value.strip('"'), source) == (in_file.rpartition(" = ")[2].strip('"'), f"{file}:{line}")
    _, source = setting(invoke("check"), name)
    assert source == "default"


@pytest.mark.usefixtures("place")
def test_check_shows_the_limits_below_the_settings_unless_what_is_changed_is_asked_for() -> None:
    settings, _, limits = invoke("check").output.partition("\nhead_bytes ")
    assert "server.port" in settings
    assert re.match(r" *64 KiB$", limits, re.MULTILINE)
    assert "head_bytes" not in invoke("check", "--changed").output


def test_check_shows_every_setting_with_keys_masked(place: Path) -> None:
    file = place / "config.toml"
    file.write_text(
        '[server]\nclient_tokens = { ann = "token-0123456789abcdef" }\n[providers.mine]\ntype = "openai"\n'
        f'keys = ["{KEYS[0]}", "short"]\nextra_headers = {{ X-Gateway = "gateway-secret-value-1" }}\n'
        'wait_for_key = "1m30s"\n[mcp.servers.docs]\nurl = "http://x?key=query-secret-value"\n'
        'headers = { A = "mcp-secret-value-1234" }\n'
        '[mcp.servers.files]\ncommand = ["files"]\nenv = { TOKEN = "env-secret-value-5678" }\n'
    )
    result = invoke("check", "--config", str(file))
    assert result.output.startswith(f"configuration file: {file}\n")
    assert setting(result, "server.client_tokens.ann") == ("toke...cdef", f"{file}:2")
    assert setting(result, "providers.mine.keys") == ("[sk-c...0001, s...t]", f"{file}:5")
    assert setting(result, "providers.mine.extra_headers.X-Gateway") == ("gate...ue-1", f"{file}:6")
    assert setting(result, "providers.mine.wait_for_key") == ('"90s"', f"{file}:7")
    assert setting(result, "mcp.servers.docs.headers.A") == ("mcp-...1234", f"{file}:10")
    assert setting(result, "mcp.servers.docs.url") == ('"http://x?..."', f"{file}:9")
    assert setting(result, "mcp.servers.files.env.TOKEN") == ("env-...5678", f"{file}:13")
    assert "has no effect" not in result.output
    assert setting(result, "providers.mine.idle_timeout") == ('"600s"', "default")
    assert "secret" not in result.output


def test_check_warns_of_what_it_does_not_refuse(place: Path) -> None:
    file = place / "config.toml"
    file.write_text(
        '[providers.openai]\ntype = "openai"\nbase_url = "http://127.0.0.1:9"\nkeys = ["clearspan", "sk-1"]\n'
    )
    result = invoke("check", "--config", str(file))
    assert result.exit_code == 0
    assert f"warning: {file}:3: providers.openai.base_url: does not end in /v1" in result.output
    assert f"warning: {file}:4: providers.openai.keys: the word 'clearspan' is ignored" in result.output
    assert "note: every user of this machine can spend the pool" in result.output
    file.write_text(file.read_text() + '[server]\nclient_tokens = { ann = "token-1" }\n')
    assert "every user" not in invoke("check", "--config", str(file)).output


def test_the_data_dir_moves_the_record(place: Path) -> None:
    value = setting(invoke("check", "--data-dir", "/var/five"), "record.path")
    assert value == ("/var/five/clearspan.db", "--data-dir")
    file = place / "config.toml"
    file.write_text('[record]\npath = "off"\n')
    assert setting(invoke("check", "--data-dir", "/x", "--config", str(file)), "record.path") == ("off", f"{file}:2")


def test_a_bad_option_is_told_with_its_name(place: Path) -> None:
    assert place
    result = invoke("check", "--port", "70000")
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.faults == ["--port: server.port: must be 0 to 65535, not 70000"]
    result = invoke("check", CLEARSPAN_HOST="::")
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.faults[0].startswith("CLEARSPAN_HOST: server.host: :: can be reached")
    for arguments in (["--port", "x"], ["--log-level", "loud"], ["--no-such-option"], ["argument"]):
        assert invoke("check", *arguments).exit_code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    for option in ("--config", "--host", "--port", "--socket", "--data-dir", "--log-level", "--log-format"):
        assert option in result.output
    assert re.search(rf"^  {command} +\w", invoke("--help").output, re.MULTILINE)


def test_version() -> None:
    assert invoke("--version").output == f"clearspan, version {__version__}\n"


@pytest.mark.parametrize("agent", [agent.name for agent in AGENTS.values() if not agent.cannot])
def test_env_points_each_agent_at_the_bridge(agent: str, place: Path) -> None:
    assert place
    result = invoke("env", agent, "--port", "9")
    assert result.exit_code == 0
    assert "http://127.0.0.1:9/" in result.stdout
    assert all(line.startswith("clearspan: ") for line in result.stderr.splitlines())
    everything = invoke("env", "--port", "9")
    assert everything.stderr == ""
    assert all(line.startswith("export ") for line in everything.stdout.splitlines())


def test_env_codex_as_flags(place: Path) -> None:
    assert place
    result = invoke("env", "codex", "--flags", "--port", "9")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "-c openai_base_url=http://127.0.0.1:9/openai/v1 " in result.stdout
    assert result.stdout.count("\n") == 1


def test_env_claude_as_a_status_line(place: Path) -> None:
    assert place
    result = invoke("env", "claude", "--status-line", "--port", "9")
    assert result.exit_code == 0
    assert result.stdout.endswith(" -m bridge status-line http://127.0.0.1:9\n")
    assert result.stdout.count("\n") == 1
    assert '"statusLine"' in result.stderr
    other = invoke("env", "codex", "--status-line")
    assert (other.exit_code, other.stdout) == (2, "")
    assert "claude" in other.stderr


def test_env_says_why_cursor_can_not_be_pointed_here() -> None:
    result = invoke("env", "cursor")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("clearspan: Cursor calls models from its own servers")


@pytest.mark.parametrize("words", [("nobody",), ("claude", "--flags"), ("--flags",)])
def test_env_for_what_it_does_not_have_names_what_it_has(words: tuple[str, ...]) -> None:
    result = invoke("env", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "codex" in result.stderr


async def test_bad_usage_and_bad_configuration_end_with_code_2() -> None:
    with home() as here:
        file = here.configure('[server]\nport = "x"\nhots = 1\n')
        said = await clearspan(here, "check")
        assert said.code == 2
        assert said.out == ""
        assert said.err.splitlines() == [
            f"clearspan: {file}:2: server.port: must be a whole number, not a string",
            f"clearspan: {file}:3: server.hots: unknown setting 'hots'; did you mean 'host'?",
        ]
        file.unlink()
        scenario = here.path / "scenario.toml"
        scenario.write_text("turns = 5\n")
        said = await clearspan(here, "simulate", "--port", "0", "--scenario", str(scenario))
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"clearspan: {scenario}: ")
        assert "Traceback" not in said.err


async def test_without_a_bridge_the_commands_that_need_one_say_so() -> None:
    with home() as here:
        for command in ("keys", "tail"):
            said = await clearspan(here, command)
            assert (said.code, said.out) == (1, "")
            assert said.err == (
                f"clearspan: no bridge answers on {here.socket} (No such file or directory); "
                "start one with 'clearspan up', or name its socket with --socket\n"
            )


async def test_a_running_bridge_is_found_by_its_socket_alone() -> None:
    with home() as here:
        other = here.path / "other.sock"
        for text, looked_at in [
            ("", here.socket),
            ("[server]\nport = 1\n", here.socket),
            (f'[server]\nsocket = "{other}"\n', other),
            (f'[server]\nsocket = "~/../../{other}"\n', other),
            (f'[server]\nsocket = "{other}"\nhots = 1\n[providers.one]\ntype = "none"\n', other),
        ]:
            here.configure(text)
            said = await clearspan(here, "keys")
            assert (said.code, said.out) == (1, "")
            assert said.err.split(" (No such file")[0].endswith(str(looked_at))
            assert said.err.startswith("clearspan: no bridge answers on ")
        for text in ["[server]\nsocket = 1\n", "server = 1\n", "[server\n", '[server]\nsocket = "\\u0000"\n']:
            file = here.configure(text)
            said = await clearspan(here, "keys")
            assert (said.code, said.out) == (2, "")
            assert said.err.startswith(f"clearspan: {file}")
            assert "Traceback" not in said.err


async def test_a_port_or_socket_that_is_taken_is_told_in_one_line() -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("serve", "simulate", "up"):
            said = await clearspan(here, command, "--port", port)
            assert (said.code, said.out) == (1, "")
            assert said.err.splitlines()[-1] == (
                f"clearspan: cannot listen on 127.0.0.1 port {port}: Address already in use; "
                "choose another with --host or --port"
            )
            assert "Traceback" not in said.err
        async with serving(here):
            said = await clearspan(here, "serve", "--port", "0")
            assert (said.code, said.out) == (1, "")
            assert said.err.splitlines()[-1].startswith("clearspan: another bridge already uses the event socket")
            assert "see it with 'clearspan monitor'" in said.err
            assert "Traceback" not in said.err


async def test_serve_logs_what_is_doubtful_and_who_can_use_it() -> None:
    with home(OPENAI_API_KEYS="clearspan,sk-one") as here:
        async with serving(here, "--port", "0") as (bridge, _):
            pass
        assert b"every user of this machine can spend the pool" in bridge.err
        assert b"the word 'clearspan' is ignored" in bridge.err
        here.configure('[server]\nclient_tokens = { ann = "token-1" }\n')
        async with serving(here, "--port", "0") as (bridge, _):
            pass
        assert b"every user" not in bridge.err


async def test_serve_says_one_line_and_the_other_commands_see_it() -> None:
    async with provider(say_hello) as upstream:
        with home(OPENAI_API_KEYS=",".join(KEYS)) as here:
            here.configure(_config(upstream))
            async with serving(here, "--log-level", "error") as (bridge, url):
                await _look_at(here, url)
            assert bridge.lines == [f"listening on {url}"]
            assert bridge.err == b""
            assert not here.socket.exists()


def _config(upstream: str) -> str:
    return f'[providers.openai]\ntype = "openai"\nbase_url = "{upstream}"\nkeys = ["env:OPENAI_API_KEYS"]\n'


async def _look_at(here: Home, url: str) -> None:
    said = await clearspan(here, "keys")
    assert said.code == 0
    head, *rows = said.out.splitlines()
    assert head.split()[:3] == ["PROVIDER", "KEY", "STATE"]
    assert [row.split()[:3] for row in rows[:3]] == [
        ["openai", "sk-c...0001", "valid"],
        ["openai", "sk-c...0002", "valid"],
        ["openai", "sk-c...0003", "valid"],
    ]
    assert rows[3:] == ["", "openai 3 of 3 ready"]
    async with running(here, "tail", "--json") as raw:
        await raw.says("\n", 2)
        assert (await ask(int(url.rpartition(":")[2]))).status == 200
        await raw.says('"interception.ended"')
        assert await raw.ends(signal.SIGINT) == 130
        assert raw.err.strip() == b""
    hello, snapshot, *events = [decode(line.encode()) for line in raw.lines]
    assert isinstance(hello, Hello)
    assert hello.url == url
    assert isinstance(snapshot, Snapshot)
    assert [key.key for key in snapshot.keys] == ["sk-c...0001", "sk-c...0002", "sk-c...0003"]
    envelopes = [event for event in events if isinstance(event, Envelope)]
    assert [envelope.seq for envelope in envelopes] == list(range(snapshot.seq + 1, snapshot.seq + 1 + len(envelopes)))
    assert envelopes[0].event.type == "interception.started"


async def test_tail_ends_with_the_bridge_and_minds_no_reader_that_leaves() -> None:
    with home() as here:
        async with running(here, "serve", "--port", "0") as bridge:
            await bridge.says("\n")
            await _tail_until(here, bridge)


async def _tail_until(here: Home, bridge: Running) -> None:
    async with running(here, "tail", "--json") as whole, running(here, "tail", "--json") as cut:
        await whole.says("\n", 2)
        await cut.says("\n", 2)
        assert cut.process.stdout is not None
        await cut.process.stdout.aclose()
        assert await bridge.ends(signal.SIGTERM) == 0
        assert (await whole.ends(), whole.err) == (0, bytearray())
        assert orjson.loads(whole.lines[-1])["type"] == "bridge.stopping"
        assert (await cut.ends(), cut.err) == (0, bytearray())
