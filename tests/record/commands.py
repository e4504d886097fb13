"""The record's commands, run as the shell runs them but for the process."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from bridge.cli.main import cli

COMMON = {"CLEARSPAN_CONFIG": "", "OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": ""}


def run(place: Path, *words: str) -> Result:
    """`clearspan WORDS` on the record `clearspan.db` in that folder, with its configuration if there is one."""
    config = place / "config.toml"
    if not config.exists():
        config.write_text('[providers.openai]\ntype = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n')
    common = ("--config", str(config), "--data-dir", str(place))
    return CliRunner().invoke(cli, [words[0], *common, *words[1:]])


def printed(place: Path, *words: str) -> str:
    """What a command prints that succeeds."""
    result = run(place, *words)
    assert result.exit_code == 0, result.output
    return result.stdout
