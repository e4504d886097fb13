"""`clearspan run -- CMD`: a command whose SDKs find the bridge by themselves, with a bridge for it if none runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from bridge.cli.env import provider_urls
from bridge.config.settings import Settings
from bridge.errors import StartError
from bridge.events.client import NoBridge, subscription
from bridge.events.place import POOL_WORD
from bridge.events.wire import Hello, decode
from bridge.providers.kinds import KINDS

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""As shells say it."""

STOP_S = 15.0


def run(settings: Settings, command: Sequence[str], options: Sequence[str]) -> int:
    """Runs a command and returns its exit code, 128 and the signal where one ended it.

    `options` are the common options given to this command, for a bridge that has to be started. Raises StartError
    where that one can't.
    """
    with _bridge(settings, options) as url:
        environment = os.environ | agent_environment(settings, url)
        try:
            child = subprocess.Popen(command, env=environment)  # noqa: S603  # the user's own command
        except OSError as error:
            print(f"clearspan: cannot run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        code = _wait(child)
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
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)  # noqa: S603
        try:
            line = server.stdout.readline().decode() if server.stdout else ""
            if not line.startswith("listening on "):
                raise StartError(f"the bridge did not start; {log} says why")
            yield line.removeprefix("listening on ").strip()
        finally:
            server.terminate()
            try:
                server.wait(STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            if server.stdout:
                server.stdout.close()


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Waits for the command. What we are told to do, it is told: the terminal's signals it gets by itself."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    return child.wait()


def options_of(values: Mapping[str, object]) -> list[str]:
    """Common options as they are written on a command line."""
    return [
        word
        for name, value in values.items()
        if value is not None
        for word in ("--" + name.replace("_", "-"), str(value))
    ]
