"""`clearspan tail`: what a bridge does, as it happens."""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.cli.ending import say
from bridge.cli.paper import paper
from bridge.events.callers import Following
from bridge.events.client import subscription
from bridge.events.describe import CONTINUED
from bridge.events.lines import EventLines
from bridge.events.wire import Snapshot, decode


def tail(socket: Path, *, deltas: bool, follow: str | None, as_json: bool) -> None:
    """Prints it until the bridge stops, or the one interception ends that is followed. Raises NoBridge where there is
    none, CannotFollow where nothing of what is to be followed can come any more.

    As JSON the lines are as they came, the first two among them: what is followed only leaves events out.
    """
    on, shown, following = paper(), EventLines(deltas), None if follow is None else Following(follow)
    with subscription(socket) as lines:
        for line in lines:
            message = None if as_json and following is None else decode(line)
            is_wanted = following is None or following.wants(message)
            if as_json:
                _write(line if is_wanted else b"")
            else:
                found = shown.of(message)
                on.put_folded(found if is_wanted else (), CONTINUED)
            if following is not None:
                if following.is_over:
                    return
                if isinstance(message, Snapshot) and not following.is_known:
                    _say_that_it_waits(following.wanted)


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _say_that_it_waits(wanted: str) -> None:
    say(
        f"no request or session is called {wanted!r} so far; waiting for one "
        "('clearspan sessions' lists those there are)"
    )
