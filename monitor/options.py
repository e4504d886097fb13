"""The monitor's options on a command line. Apart from what obeys them, which takes longer to load."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from monitor.styles import themes


class Speed(click.FloatRange):
    """How many times as fast as life."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads the option's text."""
        speed = float(super().convert(value, param, ctx))
        return speed if math.isfinite(speed) else self.fail("must be a number", param, ctx)


PATH = click.Path(path_type=Path)
SPEED = Speed(0.01, 1000)


def monitor_options(replayed: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of `python -m monitor` and of `clearspan monitor`; `replayed` says what the command can play."""
    options = (
        click.option("--replay", type=PATH, metavar="FILE", help=f"Play {replayed}."),
        click.option("--speed", type=SPEED, default=1.0, help="How fast a log is played."),
        click.option(
            "--theme",
            type=click.Choice(themes.NAMES),
            envvar=themes.VARIABLE,
            help=f"Colours; {themes.NO_COLOR} takes all away.",
        ),
    )

    def add_to(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add_to


def has_terminal() -> bool:
    """Whether a person sits here: at a terminal that can be drawn on, or at a web page that stands for one."""
    is_drawable = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return is_drawable or "TEXTUAL_DRIVER" in os.environ
