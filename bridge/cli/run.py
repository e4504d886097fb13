"""`clearspan run -- CMD`: a command whose SDKs find the bridge by themselves, with a bridge for it if none runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from bridge.cli.env import provider_urls
from bridge.config.settings import Settings
from bridge.errors import StartError
from bridge.events.client import NoBridge, subscription
from bridge.events.place import POOL_WORD
from bridge.events.wire import Hello, decode
from bridge.process.parent import tied
from bridge.process.signals import first_kept
from bridge.providers.kinds import KINDS

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""As shells say it."""

STOP_S = 3.0
"""How long a bridge may take to end by itself, in seconds, before it is told more clearly."""


def run(settings: Settings, command: Sequence[str], options: Sequence[str]) -> int:
    """Runs a command and returns its exit code, 128 and the signal where one ended it.

    `options` are the common options given to this command, for a bridge that has to be started. Raises StartError
    where that one can't.
    """
    with _bridge(settings, options) as url:
        environment = os.environ | agent_environment(settings, url)
        try:
            code = _passing_signals_on(command, environment, settings.server.shutdown_grace)
        except OSError as error:
            print(f"clearspan: cannot run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return code if code >= 0 else 128 - code


def agent_environment(settings: Settings, url: str) -> dict[str, str]:
    """The variables by which agents and SDKs find the bridge and let it choose the key."""
    token = next((token.reveal() for token in settings.server.client_tokens.values()), POOL_WORD)
    around = [name for name in (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost") if name]
    urls = provider_urls(settings, url)
    variables = {"NO_PROXY": ",".join(around)}
    for name, kind in KINDS.items():
        variables |= dict.fromkeys(kind.url_variables, urls[name]) | {kind.key_variable: token}
    return variables


@contextmanager
def _bridge(settings: Settings, options: Sequence[str]) -> Iterator[str]:
    """The URL of the bridge that answers on the event socket, or of one that runs as long as the block."""
    try:
        with subscription(settings.server.socket) as lines:
            hello = decode(next(lines))
        if isinstance(hello, Hello):
            yield hello.url
            return
    except (NoBridge, StopIteration):
        pass
    log = settings.data_dir / "clearspan.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        command = [sys.executable, "-P", "-m", "bridge", "serve", *options]  # -P: this folder may hold another `bridge`
        # In a session of its own: the terminal's signals are for the command, which may want to end in peace.
        server = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, env=tied(os.environ)
        )
        try:
            line = server.stdout.readline().decode() if server.stdout else ""
            if not line.startswith("listening on "):
                raise StartError(f"the bridge did not start; {log} says why")
            yield line.removeprefix("listening on ").strip()
        finally:
            _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ends the bridge. The command it was for has ended, so what still runs after a while is cut off."""
    for ask in (server.terminate, server.terminate, server.kill):
        ask()
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_S)
            break
    if server.stdout:
        server.stdout.close()


def _passing_signals_on(command: Sequence[str], environment: Mapping[str, str], grace: float) -> int:
    """Runs the command. What we are told to do, it is told: the terminal's SIGINT it gets by itself.

    If it has not ended when the grace is over, or at a second signal, it is killed.
    """
    child = subprocess.Popen(command, env=environment)  # noqa: S603  # the user's own command
    overdue = threading.Timer(grace, child.kill)
    overdue.daemon = True

    def pass_on(number: int, _frame: FrameType | None = None) -> None:
        if overdue.is_alive():
            child.kill()
        else:
            child.send_signal(number)
            overdue.start()

    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        if first_kept((signal.SIGHUP,)) is not None:
            pass_on(signal.SIGHUP)
        return child.wait()
    except KeyboardInterrupt:  # before it could be passed on
        child.kill()
        child.wait()
        raise
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
