"""Words spelled on the command line, so that it need not load who knows them, are the very words they know."""

from __future__ import annotations

from typing import get_args

import click

from bridge.cli import record
from bridge.cli.main import cli
from bridge.config.settings import LogFormat, LogLevel
from bridge.events.values import Outcome
from bridge.observe.logs import LEVELS
from bridge.record import sums


def choices(command: str, option: str) -> list[str]:
    """What an option of a command takes."""
    (found,) = [parameter for parameter in cli.commands[command].params if parameter.name == option]
    assert isinstance(found.type, click.Choice)
    return list(found.type.choices)


def test_outcomes_and_groups_are_the_records() -> None:
    assert list(record.OUTCOMES) == choices("history", "outcome") == list(Outcome)
    assert list(record.GROUPS) == choices("stats", "group") == list(sums.GROUPS)


def test_log_levels_and_formats_are_the_settings_and_the_loggers() -> None:
    assert choices("serve", "log_level") == list(get_args(LogLevel)) == list(LEVELS)
    assert choices("serve", "log_format") == list(get_args(LogFormat))
