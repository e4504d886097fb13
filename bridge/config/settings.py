"""What can be set (docs/configuration.md): plain values and defaults. `bridge.config.load` says where they come from.

Durations are seconds, sizes are bytes. Keys are already resolved here, and hide their values.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import platformdirs
from attrs import Factory, field

from bridge.config.secret_arguments import arguments
from bridge.config.units import Seconds, Size
from bridge.events.place import DEFAULT_HOST, DEFAULT_PORT, default_record, default_socket
from bridge.keys.secret import Secret, hint
from bridge.observe.secret_values import SHORTEST_SECRET
from bridge.process.environment import SECRET
from bridge.providers.kind import ProviderKind
from bridge.providers.kinds import KINDS
from bridge.value_classes import frozen

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

PROVIDER_NAME = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")
RESERVED_NAMES = frozenset({"healthz", "metrics"})

OWN_TOOLS = "clearspan"
"""What stands in the place of a server's name for the tool that the bridge itself has."""
OWN_TOOLS_URL = f"bridge:{OWN_TOOLS}"
"""And what in the place of its URL; no configured server can be there."""


@frozen
class CircuitBreakerSettings:
    """When a provider's endpoint is left alone for a while."""

    enabled: bool = True
    failure_threshold: int = 5
    interval: Seconds = Seconds(10)
    timeout: Seconds = Seconds(30)
    max_requests: int = 3


@frozen
class ProviderSettings:
    """One configured upstream."""

    type: str
    base_url: str
    keys: tuple[Secret, ...] = ()
    extra_headers: dict[str, str] = Factory(dict)
    routes: tuple[str, ...] = ()
    send_actor_headers: bool = False
    strategy: str = "fallback"
    groups: tuple[tuple[int, ...], ...] = ()
    affinity: bool = True
    wait_for_key: Seconds = Seconds(0)
    end_silent: Seconds = Seconds(0)
    reveal_thoughts: bool = False
    request_timeout: Seconds = Seconds(600)
    connect_timeout: Seconds = Seconds(10)
    idle_timeout: Seconds = Seconds(600)
    circuit_breaker: CircuitBreakerSettings = Factory(CircuitBreakerSettings)

    @property
    def kind(self) -> ProviderKind:
        """What kind of provider `type` names."""
        return KINDS[self.type]


@frozen
class ServerSettings:
    """Where the bridge listens and whom it serves."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    socket: Path = field(factory=default_socket)
    client_tokens: dict[str, Secret] = Factory(dict)
    allowed_hosts: tuple[str, ...] = ()
    byok: bool = True
    max_request_bytes: int = 100 * 1024 * 1024
    shutdown_grace: Seconds = Seconds(10)


@frozen
class RecordSettings:
    """What is kept of past interceptions. `path` is None where nothing is."""

    path: Path | None = field(factory=default_record)
    prompts: bool = True
    thoughts: bool = True
    tool_arguments: bool = True
    tool_results: bool = True
    dump_dir: Path | None = None
    dump_keep: Seconds = Seconds(7 * 86_400)
    dump_max_bytes: Size = Size(1024**3)
    keep: Seconds = Seconds(30 * 86_400)


@frozen
class McpServerSettings:
    """A tool server whose tools are offered to the model."""

    url: str = ""
    command: tuple[str, ...] = ()
    env: dict[str, str] = Factory(dict)
    headers: dict[str, str] = Factory(dict)
    allow: str = ".*"
    deny: str = ""

    def shown_url(self, name: str) -> str:
        """Where the server of that name is, as it may be told: a query may hold a key."""
        return self.url.partition("?")[0] if self.url else f"stdio:{name}"

    def secrets(self) -> list[str]:
        """What may be secret in here, however short it is. Most variables are none: paths, names of accounts."""
        query = [value for _, value in parse_qsl(urlsplit(self.url).query)]
        variables = [value for name, value in self.env.items() if SECRET.search(name)]
        in_command = [argument.secret for argument in arguments(self.command) if argument.secret is not None]
        return [*_parts(self.headers), *variables, *query, *in_command]


@frozen
class McpSettings:
    """The tools that requests get: those of servers, and beside them, where there are any, the bridge's own."""

    session_usage: bool = True
    servers: dict[str, McpServerSettings] = Factory(dict)

    def server_at(self, url: str | None) -> str | None:
        """The name of the server that events tell with this URL."""
        if url == OWN_TOOLS_URL:
            return OWN_TOOLS
        return next((name for name, server in self.servers.items() if url == server.shown_url(name)), None)


@frozen
class LogSettings:
    """How much is logged, and in which form."""

    level: LogLevel = "info"
    format: LogFormat = "text"


@frozen
class Settings:
    """All settings in force."""

    server: ServerSettings = Factory(ServerSettings)
    record: RecordSettings = Factory(RecordSettings)
    providers: dict[str, ProviderSettings] = Factory(dict)
    mcp: McpSettings = Factory(McpSettings)
    log: LogSettings = Factory(LogSettings)
    data_dir: Path = field(factory=lambda: platformdirs.user_data_path("clearspan"))

    @property
    def has_keys(self) -> bool:
        """Whether any provider has a key in its pool."""
        return any(provider.keys for provider in self.providers.values())

    def secrets(self) -> list[tuple[str, str]]:
        """Every secret in here with what may be shown of it: keys, client tokens, and the values of added headers.

        A header's value that is shorter than SHORTEST_SECRET is a word such as "beta" or "true", which stands in many
        texts and protects nothing.
        """
        keys = [key for provider in self.providers.values() for key in provider.keys]
        tokens = self.server.client_tokens.values()
        added = [value for provider in self.providers.values() for value in _parts(provider.extra_headers)]
        added += [value for server in self.mcp.servers.values() for value in server.secrets()]
        values = [value for value in added if len(value) >= SHORTEST_SECRET]
        return [(key.reveal(), key.hint) for key in (*keys, *tokens)] + [(value, hint(value)) for value in values]


def _parts(headers: dict[str, str]) -> list[str]:
    """The values of added headers, and what follows a scheme such as `Bearer` in them."""
    return [part for value in headers.values() for part in (value, value.partition(" ")[2].strip())]
