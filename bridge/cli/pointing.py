"""A command as it has to be started so that it uses the bridge: which agent it is, and what that one needs.

The bridge as agents find it, its base URLs and its credential, is filled into what `bridge.cli.agents` says.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from string import Template

from bridge.cli.agents import AGENTS, Agent, OwnFile
from bridge.config.settings import Settings
from bridge.providers.kinds import KINDS
from bridge.value_classes import frozen

NO_PROXY = ("NO_PROXY", "no_proxy")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


RUNNERS = frozenset(
    {"npx", "bunx", "pnpx", "npm", "pnpm", "yarn", "bun", "node", "uvx", "uv", "pipx", "env", "nohup", "nice"}
)
"""Programs that run others."""

SUBCOMMANDS = frozenset({"exec", "dlx", "x", "tool", "run"})
"""What may stand between a runner and what it runs (`npm exec`, `uv tool run`)."""

WITH_VALUE = frozenset({"-p", "--package", "--from", "--with", "--python", "--cache", "--registry", "-w", "--prefix"})
"""Options of runners that take the next word."""


@frozen
class Target:
    """Where agents are pointed: the base URL of the first provider of each kind by the kind's name, and the credential
    that they bring."""

    urls: Mapping[str, str]
    word: str

    def fill(self, text: str, folder: str = "") -> str:
        """A text of the table with its names put in."""
        return Template(text).substitute(self.urls, word=self.word, quoted=json.dumps(self.word), folder=folder)


def provider_urls(settings: Settings, url: str) -> dict[str, str]:
    """Where SDKs find the first provider of each kind, by the kind's name; `url` is the bridge's own."""
    names = {provider.type: name for name, provider in reversed(settings.providers.items())}
    return {name: f"{url}/{names.get(name, name)}{kind.base_path}" for name, kind in KINDS.items()}


def shell_variables(agents: Sequence[Agent], environment: Mapping[str, str]) -> dict[str, str]:
    """What these agents' variables are set to; of two agents that differ, the first has its way.

    A variable that is only a default is left out where it is set already.
    """
    found: dict[str, str] = {}
    for agent in agents:
        defaults = {name: text for name, text in agent.defaults.items() if not environment.get(name)}
        for name, text in {**agent.variables, **defaults}.items():
            found.setdefault(name, text)
    return found


@frozen
class Prepared:
    """A command and its environment, so that what it starts calls the bridge."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


@contextmanager
def prepared(command: Sequence[str], environment: Mapping[str, str], target: Target) -> Iterator[Prepared]:
    """The command as it has to be started. What had to be written for it is gone after the block.

    A command that is no known agent gets what all of them read, since it may start any; of two credentials for one
    provider, the key, of which no SDK complains.
    """
    agent, before = recognise(command)
    agents = [agent] if agent else [*AGENTS.values()]
    texts = _sdk_variables() | shell_variables(agents, environment)
    for known in agents:
        texts |= known.run_variables
    dropped = {name for known in agents for name in known.unset if agent or name not in texts}
    if agent is None:
        dropped |= {name for kind in KINDS.values() for name in kind.other_variables}
    own_file = agent.own_file if agent else None
    with _folder(own_file, target) as folder:
        if own_file:
            texts |= own_file.variables
        around = ",".join(filter(None, (environment.get(NO_PROXY[0]) or environment.get(NO_PROXY[1]), *LOOPBACK)))
        yield Prepared(
            (*command[:before], *_arguments(agent, command[before:], target, folder), *command[before:]),
            {name: value for name, value in environment.items() if name not in dropped}
            | {name: target.fill(text, folder) for name, text in texts.items() if name not in dropped}
            | dict.fromkeys(NO_PROXY, around),
        )


def _sdk_variables() -> dict[str, str]:
    """What any program built on the providers' SDKs reads."""
    found: dict[str, str] = {}
    for name, kind in KINDS.items():
        found |= dict.fromkeys(kind.url_variables, f"${name}") | {kind.key_variable: "$word"}
    return found


def _arguments(agent: Agent | None, rest: Sequence[str], target: Target, folder: str) -> Iterator[str]:
    """What comes before the command's own arguments: theirs, which stand later, have the last word."""
    if agent is None:
        return
    flags = agent.flags + (agent.token_flags if agent.flags else ())
    yield from (target.fill(word) for word in flags)
    options = [*agent.run_arguments, *((agent.own_file.arguments,) if agent.own_file else ())]
    for option in options:
        if option and not any(word == option[0] or word.startswith(f"{option[0]}=") for word in rest):
            yield from (target.fill(word, folder) for word in option)


@contextmanager
def _folder(own_file: OwnFile | None, target: Target) -> Iterator[str]:
    """A folder with an agent's own configuration, nobody else's to read; "" where it needs none."""
    if own_file is None:
        yield ""
        return
    folder = Path(tempfile.mkdtemp(prefix="clearspan-"))
    try:
        file = folder / own_file.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(target.fill(own_file.text), encoding="utf-8")
        file.chmod(0o600)
        if own_file.beside:
            _link(Path(own_file.beside).expanduser(), folder, own_file.hidden)
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(user: Path, folder: Path, hidden: Sequence[str]) -> None:
    """Shows an agent what else its user's folder holds."""
    for entry in user.iterdir() if user.is_dir() else ():
        ours = folder / entry.name
        if entry.name not in hidden and not ours.exists():
            ours.symlink_to(entry)


def recognise(command: Sequence[str]) -> tuple[Agent | None, int]:
    """The agent that a command starts, and how many of its words come before the agent's own arguments.

    Known by its program's name, also with a path, and behind `npx`, `uvx` and the like.
    """
    by_command = {name: agent for agent in AGENTS.values() for name in agent.commands}
    for place, word in _programs(command):
        if agent := by_command.get(_name(word)):
            return agent, place + 1
    return None, 1


def _programs(command: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The words of a command that may be the name of what is run."""
    yield 0, command[0]
    runner = PurePath(command[0]).name
    if re.fullmatch(r"python[\d.]*", runner) and command[1:2] == ["-m"] and len(command) > 2:
        yield 2, command[2]
    if runner not in RUNNERS:
        return
    is_value = False
    for place, word in enumerate(command[1:], 1):
        if is_value or word.startswith("-") or word in SUBCOMMANDS or (runner == "env" and "=" in word):
            is_value = not is_value and word in WITH_VALUE
            continue
        runner = PurePath(word).name
        if runner not in RUNNERS:
            yield place, word
            return


def _name(word: str) -> str:
    """A program's or a package's name, without folder and version."""
    scoped = re.search(r"(?:^|/)(@[\w.-]+/[\w.-]+?)(?:@[^/]*)?$", word)
    if scoped:
        return scoped[1]
    return re.sub(r"(@|==).*$|\.(js|mjs|cjs|exe|cmd)$", "", PurePath(word).name)
