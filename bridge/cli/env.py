"""How each agent is pointed at the bridge (`clearspan env`): shell lines, or configuration where it takes no variable.

Base URLs differ: OpenAI's SDKs and most agents want `/v1` at the end, Claude Code and Anthropic's SDKs add it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.config.settings import POOL_WORD, Settings


class UnknownAgent(LookupError):
    """No agent of that name is known; its text names those that are."""


OPENAI = (
    "export OPENAI_BASE_URL={url}/{openai}/v1",
    "export OPENAI_API_KEY={word}",
)
ANTHROPIC = (
    "export ANTHROPIC_BASE_URL={url}/{anthropic}",
    "export ANTHROPIC_API_KEY={word}",
)

AGENTS: dict[str, tuple[str, ...]] = {
    "codex": (
        "# Codex: in ~/.codex/config.toml",
        'model_provider = "clearspan"',
        "[model_providers.clearspan]",
        'name = "Clearspan"',
        'base_url = "{url}/{openai}/v1"',
        'wire_api = "responses"',
    ),
    "claude": (
        "# Claude Code",
        "export ANTHROPIC_BASE_URL={url}/{anthropic}",
        "export ANTHROPIC_AUTH_TOKEN={word}",
    ),
    "opencode": (
        "# opencode: in opencode.json",
        '{{"provider": {{"openai": {{"options": {{"baseURL": "{url}/{openai}/v1", "apiKey": "{word}"}}}},',
        ' "anthropic": {{"options": {{"baseURL": "{url}/{anthropic}/v1", "apiKey": "{word}"}}}}}}}}',
    ),
    "aider": (
        "# Aider",
        "export OPENAI_API_BASE={url}/{openai}/v1",
        "export OPENAI_API_KEY={word}",
        *ANTHROPIC,
    ),
    "openai": ("# OpenAI's SDKs, and most programs built on them", *OPENAI),
    "anthropic": ("# Anthropic's SDKs", *ANTHROPIC),
}
"""Lines by agent. `{word}` stands for the pool's keys: no key of yours is needed, or seen, by the agent."""

CODEX_TOKEN = (
    'env_key = "CLEARSPAN_KEY"',
    "# and in the shell",
    "export CLEARSPAN_KEY={word}",
)
"""What Codex needs besides where a client token is asked for; elsewhere it may send no credential at all."""


def environment_lines(settings: Settings, agent: str | None) -> Iterator[str]:
    """The lines for one agent, or for all. Raises UnknownAgent."""
    if agent is not None and agent not in AGENTS:
        raise UnknownAgent(f"unknown agent {agent!r}; known: {', '.join(AGENTS)}")
    word = POOL_WORD
    if settings.server.client_tokens:
        word = "YOUR_CLIENT_TOKEN"
        yield f"# This bridge asks for a client token: put one of server.client_tokens in the place of {word}."
    names = {kind: provider_name(settings, kind) for kind in ("openai", "anthropic")}
    for name in AGENTS if agent is None else [agent]:
        more = CODEX_TOKEN if name == "codex" and settings.server.client_tokens else ()
        yield from (line.format(url=base_url(settings), word=word, **names) for line in (*AGENTS[name], *more))


def base_url(settings: Settings) -> str:
    """The bridge's address as an agent on this machine calls it."""
    host = settings.server.host
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound
    host = everywhere.get(host, host)
    return f"http://[{host}]:{settings.server.port}" if ":" in host else f"http://{host}:{settings.server.port}"


def provider_name(settings: Settings, kind: str) -> str:
    """The name of the first provider of that type."""
    return next((name for name, provider in settings.providers.items() if provider.type == kind), kind)
