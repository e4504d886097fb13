"""Secrets among the arguments of a program: hidden and known as far as a name tells of them, and no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.cli.check import settings_table
from bridge.cli.paper import Paper
from bridge.config.load import Options, load
from bridge.config.secret_arguments import arguments
from bridge.config.settings import McpServerSettings, McpSettings, Settings

CANARY = "hunter2-canary-0123456789"
HINT = "hunt...6789"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--token", CANARY], ["--token", HINT]),
        (["--api-key", CANARY, "stdio"], ["--api-key", HINT, "stdio"]),
        (["-password", CANARY], ["-password", HINT]),
        (["--accessToken", CANARY], ["--accessToken", HINT]),
        (["--db_password", CANARY, "--port", "80"], ["--db_password", HINT, "--port", "80"]),
        ([f"--token={CANARY}"], [f"--token={HINT}"]),
        (["-e", f"GITHUB_TOKEN={CANARY}"], ["-e", f"GITHUB_TOKEN={HINT}"]),
        (["env", f"API_KEY={CANARY}", "tools"], ["env", f"API_KEY={HINT}", "tools"]),
        (["--header", f"X-Api-Key: {CANARY}"], ["--header", f"X-Api-Key: {HINT}"]),
        (["--header", f"Authorization:{CANARY}"], ["--header", f"Authorization:{HINT}"]),
        (["--header", f"Authorization: Bearer {CANARY}"], ["--header", "Authorization: Bear...6789"]),
        ([f'{{"apiKey":"{CANARY}","a":1}}'], ['{"apiKey":"hunt...":1}']),
        ([f"https://127.0.0.1/mcp?api_key={CANARY}"], [f"https://127.0.0.1/mcp?api_key={HINT}"]),
        ([f"postgres://me:{CANARY}@127.0.0.1/db"], ["postgres://...@127.0.0.1/db"]),
    ],
)
def test_an_argument_after_a_secret_name_is_hidden(given: Sequence[str], shown: Sequence[str]) -> None:
    found = list(arguments(["npx", "-y", *given]))
    assert [argument.shown for argument in found] == ["npx", "-y", *shown]
    assert [argument.secret for argument in found if argument.secret is not None] == [CANARY]
    server = McpServerSettings(command=("npx", *given))
    known = Settings(mcp=McpSettings(servers={"docs": server})).secrets()
    assert known == [(CANARY, HINT)], "which is masked wherever it stands"


@pytest.mark.parametrize(
    "given",
    [
        ["npx", "-y", "@modelcontextprotocol/server-filesystem", "/home/me/token", "--port=80", "-v"],
        ["docker", "run", "-i", "--rm", "-e", "MODE=fast", "an/image:latest"],
        ["tools", "--token-file", "/run/secrets/token", "--url", "https://127.0.0.1:9/mcp?a=b"],
        ["tools", "token", "key=", ""],
    ],
)
def test_any_other_is_shown_as_it_is(given: Sequence[str]) -> None:
    assert [(argument.shown, argument.secret) for argument in arguments(given)] == [(word, None) for word in given]


def test_check_says_how_many_it_hides(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[mcp.servers.docs]\ncommand = ["npx", "--token", "{CANARY}", "API_KEY={CANARY}", "stdio"]\n')
    shown = "\n".join(settings_table(load(Options(config=file), {}), Paper()))
    assert f'["npx", "--token", "{HINT}", "API_KEY={HINT}", "stdio"] (2 hidden)' in " ".join(shown.split())
    assert CANARY not in shown
