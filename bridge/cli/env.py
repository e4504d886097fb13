"""How each agent is pointed at the bridge (`clearspan env`): shell lines, or configuration where it takes no variable.

Base URLs differ: OpenAI's SDKs and most agents want `/v1` at the end, Claude Code and Anthropic's SDKs add it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.config.settings import Settings
from bridge.events.place import POOL_WORD
from bridge.providers.kinds import KINDS


class UnknownAgent(LookupError):
    """No agent of that name is known; its text names those that are."""


AGENTS: dict[str, tuple[str, ...]] = {
    "codex": (
        "# Codex: in ~/.codex/config.toml",
        'model_provider = "clearspan"',
        "[model_providers.clearspan]",
        'name = "Clearspan"',
        'base_url = "{openai}"',
        'wire_api = "responses"',
    ),
    "claude": (
        "# Claude Code",
        "export ANTHROPIC_BASE_URL={anthropic}",
        "export ANTHROPIC_AUTH_TOKEN={word}",
    ),
    "opencode": (
        "# opencode: in opencode.json",
        '{{"provider": {{"openai": {{"options": {{"baseURL": "{openai}", "apiKey": "{word}"}}}},',
        ' "anthropic": {{"options": {{"baseURL": "{anthropic}/v1", "apiKey": "{word}"}}}}}}}}',
    ),
    "aider": (
        "# Aider",
        "export OPENAI_API_BASE={openai}",
        "export OPENAI_API_KEY={word}",
        "export ANTHROPIC_BASE_URL={anthropic}",
        "export ANTHROPIC_API_KEY={word}",
    ),
    **{
        kind.name: (
            f"# {kind.title}'s SDKs, and programs built on them",
            f"export {kind.url_variables[0]}={{{kind.name}}}",
            f"export {kind.key_variable}={{word}}",
        )
        for kind in KINDS.values()
    },
}
"""Lines by agent. `{word}` stands for the pool's keys: no key of yours is needed, or seen, by the agent; a provider
kind's name for the base URL of its first provider."""

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
    urls = provider_urls(settings, base_url(settings))
    for name in AGENTS if agent is None else [agent]:
        more = CODEX_TOKEN if name == "codex" and settings.server.client_tokens else ()
        yield from (line.format(word=word, **urls) for line in (*AGENTS[name], *more))


def base_url(settings: Settings) -> str:
    """The bridge's address as an agent on this machine calls it."""
    host = settings.server.host
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound
    host = everywhere.get(host, host)
    return f"http://[{host}]:{settings.server.port}" if ":" in host else f"http://{host}:{settings.server.port}"


def provider_urls(settings: Settings, url: str) -> dict[str, str]:
    """Where SDKs find the first provider of each kind, by the kind's name; `url` is the bridge's own."""
    names = {provider.type: name for name, provider in reversed(settings.providers.items())}
    return {name: f"{url}/{names.get(name, name)}{kind.base_path}" for name, kind in KINDS.items()}
