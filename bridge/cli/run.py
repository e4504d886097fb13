"""`clearspan run -- CMD`: an agent pointed at the bridge, with a bridge for it if none runs.

What each agent needs for that is told by `bridge.cli.agents`. Its user's own files stay as they are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import BinaryIO
from urllib.parse import urlsplit

from bridge.cli.agents import AGENTS, Agent
from bridge.cli.ending import OWN_WORDS, say
from bridge.cli.env import base_url
from bridge.cli.pointing import Prepared, Target, prepared, provider_urls, recognise
from bridge.config.settings import Settings
from bridge.errors import ClearspanError, ConfigurationError, StartError
from bridge.events.client import ANSWER_S, NoBridge, read_snapshot, subscription
from bridge.events.place import POOL_WORD
from bridge.events.wire import Hello, Reply, decode
from bridge.http.health import bridge_on
from bridge.process.parent import tied
from bridge.process.signals import first_kept

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""As shells say it."""

USAGE = 2
"""How a bridge ends that can't use its settings."""

MOST_SAID = 64 * 1024
"""How much is read of what a bridge said before it ended, in bytes."""

STOP_S = 3.0
"""How long a bridge may take to end by itself, in seconds, before it is told more clearly."""


def run(settings: Settings, command: Sequence[str], options: Sequence[str]) -> int:
    """Runs a command and returns its exit code, 128 and the signal where one ended it.

    `options` are the common options given to this command, for a bridge that has to be started. Raises StartError
    where that one can't, ConfigurationError where its settings are at fault.
    """
    agent, _ = recognise(command)
    if agent and agent.cannot:
        say(agent.cannot)
    token = next((token.reveal() for token in settings.server.client_tokens.values()), POOL_WORD)
    with _bridge(settings, options) as url, _prepared(command, provider_urls(settings, url), token) as ready:
        before = _requests(settings)
        try:
            code = _passing_signals_on(ready.words, ready.environment, settings.server.shutdown_grace)
        except OSError as error:
            say(f"cannot run {command[0]}: {error.strerror}")
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        if before is not None and before == _requests(settings):
            say(_nothing_came(agent))
    return code if code >= 0 else 128 - code


def _prepared(command: Sequence[str], urls: Mapping[str, str], word: str) -> AbstractContextManager[Prepared]:
    return prepared(command, os.environ, Target(urls, word))


def _requests(settings: Settings) -> int | None:
    """How many requests the bridge has had; None where it does not say, as when it has all the subscribers it takes.

    On a bridge that others use too, theirs count as well: who sent a request can't be told by what it holds.
    """
    try:
        return read_snapshot(settings.server.socket).totals.interceptions
    except (NoBridge, OSError):
        return None


def _nothing_came(agent: Agent | None) -> str:
    if agent is None:
        known = ", ".join(name for name, known in AGENTS.items() if known.commands and not known.cannot)
        return (
            "no request of this command reached the bridge. Its programs are known by the name of what is started "
            f"({known}), others find the bridge by variables such as OPENAI_BASE_URL: see 'clearspan env'"
        )
    return (
        f"no request of {agent.title} reached the bridge. If it was to ask a model, a setting of its own goes before "
        f"what was set here: see 'clearspan env {agent.name}', and what its configuration says of providers and keys"
    )


@contextmanager
def _bridge(settings: Settings, options: Sequence[str]) -> Iterator[str]:
    """The URL of the bridge that answers on the event socket, or of one that runs as long as the block."""
    if (url := _running(settings)) is not None:
        yield url
        return
    log = settings.data_dir / "clearspan.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+b") as errors:
        begin = errors.seek(0, os.SEEK_END)
        command = [sys.executable, "-P", "-m", "bridge", "serve", *options]  # -P: this folder may hold another `bridge`
        # In a session of its own: the terminal's signals are for the command, which may want to end in peace.
        server = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, env=tied(os.environ)
        )
        try:
            line = server.stdout.readline().decode() if server.stdout else ""
            if not line.startswith("listening on "):
                raise _start_error(server.wait(), errors, begin)
            yield line.removeprefix("listening on ").strip()
        finally:
            _stop(server)


def _running(settings: Settings) -> str | None:
    """The URL of the bridge that answers on the event socket; None where none does. Raises NoBridge where one does that
    tells nobody else where it listens, and that does not listen where the settings say."""
    try:
        with subscription(settings.server.socket) as lines:
            said = decode(next(lines))
    except (NoBridge, StopIteration):
        return None
    if isinstance(said, Hello):
        return said.url
    if not isinstance(said, Reply):
        return None
    url = base_url(settings)  # it has all the subscribers that it takes
    place = urlsplit(url)
    if bridge_on(place.hostname or "", place.port, ANSWER_S) is None:
        raise NoBridge(f"the bridge on {settings.server.socket} turns us away, and none listens on {url}: {said.error}")
    return url


def _start_error(code: int, log: BinaryIO, begin: int) -> ClearspanError:
    """What a bridge that did not start said last: its own words for it, where it found any."""
    log.seek(begin)
    lines = log.read(MOST_SAID).decode(errors="replace").splitlines()
    words = [line.removeprefix(OWN_WORDS) for line in lines if line.startswith(OWN_WORDS)]
    if code == USAGE and words:
        return ConfigurationError(words)
    reason = "; ".join(words) or f"it ended with code {code}, and {log.name} has what it said"
    return StartError(f"the bridge did not start: {reason}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ends the bridge. The command it was for has ended, so what still runs after a while is cut off."""
    for ask in (server.terminate, server.terminate, server.kill):
        ask()
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_S)
            break
    if server.stdout:
        server.stdout.close()


def _leave_to_the_terminal(_number: int, _frame: FrameType | None) -> None:
    """The command has the SIGINT too. A handler, since a signal that is ignored would be ignored by the command."""


def _passing_signals_on(command: Sequence[str], environment: Mapping[str, str], grace: float) -> int:
    """Runs the command. What we are told to do, it is told: the terminal's SIGINT it gets by itself.

    If it has not ended when the grace is over, or at a second signal, it is killed.
    """
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def kill() -> None:
        if child is not None:
            child.kill()

    overdue = threading.Timer(grace, kill)
    overdue.daemon = True

    def pass_on(number: int, _frame: FrameType | None = None) -> None:
        if child is None:
            early.append(number)
        elif overdue.is_alive():
            kill()
        else:
            child.send_signal(number)
            overdue.start()

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
        signal.SIGINT: _leave_to_the_terminal,
        signal.SIGTERM: pass_on,
        signal.SIGHUP: pass_on,
    }
    for number, handler in handlers.items():  # before it starts: what comes while it does would leave it behind
        if signal.getsignal(number) is not signal.SIG_IGN:  # as after `nohup`, which the command inherits
            signal.signal(number, handler)
    child = subprocess.Popen(command, env=environment)  # noqa: S603  # the user's own command
    try:
        if first_kept((signal.SIGHUP,)) is not None:
            early.append(signal.SIGHUP)
        for received in early:
            pass_on(received)
        return child.wait()
    finally:
        overdue.cancel()


def options_of(values: Mapping[str, object]) -> list[str]:
    """Common options as they are written on a command line."""
    return [
        word
        for name, value in values.items()
        if value is not None
        for word in ("--" + name.replace("_", "-"), str(value))
    ]
