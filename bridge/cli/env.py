"""`clearspan env`: how each agent is pointed at the bridge, as lines for a shell or a file.

What is printed there is nothing else, so that `eval "$(…)"`, `eval $(…)` and `> opencode.json` work; what a person has
to know besides is kept apart. A shell that splits the lines into words joins them to one `export`; `unset` ends with a
semicolon, since it would take what follows for further names.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping

import orjson
from attrs import field

from bridge.cli.agents import AGENTS, CODEX_KEY, Agent
from bridge.cli.pointing import Target, provider_urls, shell_variables
from bridge.cli.status_line import command_line
from bridge.config.settings import Settings
from bridge.errors import ClearspanError
from bridge.events.place import POOL_WORD
from bridge.value_classes import frozen

TOKEN_WORD = "YOUR_CLIENT_TOKEN"  # noqa: S105  # what stands where one belongs

STATUS_LINE_AGENT = "claude"


class UnknownAgent(LookupError):
    """No agent of that name is known, or what was asked of it it does not have; its text names what there is."""


class CannotPoint(ClearspanError):
    """This agent can't use a bridge; its text says why. The command ends with exit code 2."""


@frozen
class Pointer:
    """What to print: `lines` for the shell or the file, `remarks` for the person."""

    lines: list[str]
    remarks: list[str] = field(factory=list)


def pointer(
    settings: Settings, name: str | None, *, flags: bool = False, environment: Mapping[str, str] = os.environ
) -> Pointer:
    """How an agent is pointed here, or all that take shell variables where none is named.

    Raises UnknownAgent, CannotPoint.
    """
    if name is None:
        if flags:
            raise UnknownAgent(f"--flags needs the name of an agent: {', '.join(_with_flags())}")
        agents = [agent for agent in AGENTS.values() if agent.variables]
        return _finished(settings, list(_shell_lines(settings, agents, environment)), [])
    agent = AGENTS.get(name)
    if agent is None:
        raise UnknownAgent(f"unknown agent {name!r}; known: {', '.join(AGENTS)}")
    if agent.cannot:
        raise CannotPoint(agent.cannot)
    target = _target(settings)
    tokens = bool(settings.server.client_tokens)
    if flags:
        if not agent.flags:
            raise UnknownAgent(f"{agent.title} takes no flags; those that do: {', '.join(_with_flags())}")
        words = agent.flags + (agent.token_flags if tokens else ())
        return _finished(settings, [" ".join(shlex.quote(target.fill(word)) for word in words)], _key_remark(agent))
    remarks = [f"{agent.title}: {target.fill(remark)}" for remark in agent.remarks]
    if agent.config:
        text = agent.config + (agent.token_config if tokens else "")
        return _finished(settings, target.fill(text).split("\n"), remarks + _key_remark(agent))
    return _finished(settings, list(_shell_lines(settings, [agent], environment)), remarks)


def status_pointer(settings: Settings, name: str | None) -> Pointer:
    """The command for an agent's status line, which shows what its session used so far. Raises UnknownAgent."""
    if name != STATUS_LINE_AGENT:
        raise UnknownAgent(f"--status-line is for an agent that shows one: {STATUS_LINE_AGENT}")
    line = command_line(base_url(settings))
    setting = orjson.dumps({"statusLine": {"type": "command", "command": line}}).decode()
    return Pointer([line], [f"in Claude Code's settings.json: {setting}"])


def _finished(settings: Settings, lines: list[str], remarks: list[str]) -> Pointer:
    if not settings.server.client_tokens:
        return Pointer(lines, [remark for remark in remarks if CODEX_KEY not in remark])
    asked = f"this bridge asks for a client token: put one of server.client_tokens in the place of {TOKEN_WORD}"
    return Pointer(lines, [asked, *remarks])


def _key_remark(agent: Agent) -> list[str]:
    """Where an agent reads its token from a variable."""
    return [f"{agent.title}: and in the shell: export {CODEX_KEY}={TOKEN_WORD}"] if agent.token_flags else []


def _with_flags() -> list[str]:
    return [agent.name for agent in AGENTS.values() if agent.flags]


def _target(settings: Settings) -> Target:
    word = TOKEN_WORD if settings.server.client_tokens else POOL_WORD
    return Target(provider_urls(settings, base_url(settings)), word)


def _shell_lines(settings: Settings, agents: list[Agent], environment: Mapping[str, str]) -> Iterator[str]:
    variables = shell_variables(agents, environment)
    dropped = {name for agent in agents for name in agent.unset if environment.get(name) and name not in variables}
    if dropped:
        yield f"unset {' '.join(sorted(dropped))};"
    target = _target(settings)
    yield from (f"export {name}={shlex.quote(target.fill(text))}" for name, text in variables.items())


def base_url(settings: Settings) -> str:
    """The bridge's address as an agent on this machine calls it."""
    host = settings.server.host
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound
    host = everywhere.get(host, host)
    return f"http://[{host}]:{settings.server.port}" if ":" in host else f"http://{host}:{settings.server.port}"
