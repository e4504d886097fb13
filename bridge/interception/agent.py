"""Which agent is calling, and in which of its sessions (docs/behaviour.md, Who is calling)."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from attrs import frozen

from bridge.http.exchange import Exchange

UNKNOWN = "Unknown"

USER_AGENTS: tuple[tuple[str, str], ...] = (
    ("mux/", "Mux"),
    ("claude", "Claude Code"),
    ("codex", "Codex"),
    ("zed/", "Zed"),
    ("githubcopilotchat/", "GitHub Copilot (VS Code)"),
    ("copilot/", "GitHub Copilot (CLI)"),
    ("kilo-code/", "Kilo Code"),
    ("roo-code/", "Roo Code"),
    ("coder-agents/", "Coder Agents"),
    ("charm crush/", "Charm Crush"),
)
"""Parts of a user agent, in lower case, and whose they are; the first that is found counts."""

GENERIC_USER_AGENTS: tuple[tuple[str, str], ...] = (
    ("opencode/", "opencode"),
    ("aider", "Aider"),
    ("gemini", "Gemini"),
    ("asyncopenai/", "OpenAI SDK"),
    ("openai/", "OpenAI SDK"),
    ("anthropic/", "Anthropic SDK"),
    ("asyncanthropic/", "Anthropic SDK"),
)
"""The same for those that count only where no header names an agent: agents that are built on an SDK send its name."""

SESSION_HEADERS: dict[str, tuple[bytes, ...]] = {
    "Claude Code": (b"x-claude-code-session-id",),
    "Codex": (b"session-id", b"session_id"),
    "Mux": (b"x-mux-workspace-id",),
    "GitHub Copilot (VS Code)": (b"x-interaction-id", b"x-client-session-id"),
    "GitHub Copilot (CLI)": (b"x-interaction-id", b"x-client-session-id"),
    "Kilo Code": (b"x-kilocode-taskid",),
    "Coder Agents": (b"x-coder-chat-id",),
}


@frozen
class Client:
    """What a request's headers say of who sent it."""

    client: str
    user_agent: str | None
    session_id: str | None
    agent_id: str | None
    parent_agent_id: str | None
    request_class: str | None
    agent_type: str | None
    previous_tool_ms: dict[str, float] | None


def recognise(exchange: Exchange, session_hint: str | None) -> Client:
    """The client of a request; `session_hint` is what its body says of the session."""
    header = exchange.header
    name = _name(header)
    session = next((value for key in SESSION_HEADERS.get(name, ()) if (value := header(key))), None)
    return Client(
        client=name,
        user_agent=header(b"user-agent"),
        session_id=session or session_hint,
        agent_id=header(b"x-claude-code-agent-id"),
        parent_agent_id=header(b"x-claude-code-parent-agent-id"),
        request_class=header(b"x-claude-code-request-class"),
        agent_type=header(b"x-claude-code-agent-type"),
        previous_tool_ms=_durations(header(b"x-claude-code-prev-tool-durations")),
    )


def _name(header: Callable[[bytes], str | None]) -> str:
    agent = (header(b"user-agent") or "").lower()
    if found := _first(agent, USER_AGENTS):
        return found
    if (header(b"originator") or "").lower() == "kilo-code":
        return "Kilo Code"
    if header(b"x-cursor-client-version"):
        return "Cursor"
    return _first(agent, GENERIC_USER_AGENTS) or UNKNOWN


def _first(agent: str, known: tuple[tuple[str, str], ...]) -> str | None:
    return next((name for part, name in known if part in agent), None)


def _durations(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        found = orjson.loads(text)  # which takes no NaN, no endless number and no half character, as events can't
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return {
        str(name): float(ms) for name, ms in found.items() if isinstance(ms, int | float) and not isinstance(ms, bool)
    }
