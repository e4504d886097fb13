"""Which agent is calling, and in which of its sessions (docs/behaviour.md, Who is calling).

One table, the most telling rule first: an agent that is built on an SDK, or a fork of another one, also sends what that
one sends. A user agent is known by its beginning, never by what stands in it somewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import orjson

from bridge.apis.protocol import RequestFacts
from bridge.events.values import Lane, is_beside
from bridge.http.exchange import Exchange
from bridge.value_classes import frozen

UNKNOWN = "Unknown"

Header = Callable[[bytes], str | None]
"""The first value of a header, given its name in lower case."""


@frozen
class Sign:
    """What tells one client: a beginning of its user agent, or headers that it alone sends. All in lower case."""

    client: str
    user_agents: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, str], ...] = ()
    """Name of a header, and how its value begins; any of them will do."""

    together: tuple[bytes, ...] = ()
    """Headers that tell only if all are there."""

    def fits(self, user_agent: str, header: Header) -> bool:
        """Whether a request with that user agent, in lower case, and these headers comes from it."""
        return (
            user_agent.startswith(self.user_agents)
            or any((header(name) or "").lower().startswith(value) for name, value in self.headers if header(name))
            or (bool(self.together) and all(header(name) for name in self.together))
        )


SIGNS: tuple[Sign, ...] = (
    Sign("Claude Code", ("claude-cli/",)),
    Sign("Codex", ("codex",), ((b"originator", "codex"),)),
    Sign("Kilo", ("kilo/", "kilo-code/"), ((b"x-title", "kilo code"), (b"originator", "kilo-code"))),  # is an opencode
    Sign("opencode", ("opencode/",)),
    Sign("Roo Code", ("roo-code/",), ((b"originator", "roo-code"),)),
    Sign("Mux", ("mux/", "xum/")),
    Sign("Zed", ("zed/",)),
    Sign("Copilot (VS Code)", ("githubcopilotchat/",)),
    Sign("Copilot CLI", ("copilot/",), together=(b"x-initiator", b"x-interaction-type")),  # else an SDK's user agent
    Sign("Copilot CLI", together=(b"x-initiator", b"x-stainless-lang")),  # its requests that bring a tool's result
    Sign("Coder Agents", ("coder-agents/",)),
    Sign("Crush", ("charm crush/", "charm-crush/", "crush/")),
    Sign("Cursor", ("cursor-cli/",), ((b"x-cursor-client-version", ""),)),
    Sign("Droid", ("factory-cli/",)),
    Sign("Grok", ("grok-shell/",), ((b"x-grok-session-id", ""), (b"x-grok-agent-id", ""))),
    Sign("Mistral Vibe", ("mistral-vibe/",)),
    Sign("Qwen Code", ("qwencode/",)),
    Sign("Gemini CLI", ("geminicli",)),
    Sign("Junie", ("junie:",)),
    Sign("Aider", ("aider",)),
    Sign("Cline", ("cline/",)),
    Sign("Continue", ("continue/",)),
    Sign("goose", ("goose/",)),
    Sign("OpenHands", ("openhands/",)),
    Sign("LiteLLM", ("litellm/",)),
    Sign("OpenAI Agents SDK", ("agents/python",)),
    Sign("Pydantic AI", ("pydantic-ai/",)),
    Sign("LangChain", ("langchain",)),
    Sign("AI SDK", ("ai-sdk/", "ai/")),
    Sign("OpenAI SDK", ("openai/", "asyncopenai/")),
    Sign("Anthropic SDK", ("anthropic/", "asyncanthropic/")),
)

USER_AGENT = b"user-agent"


def _telling() -> dict[bytes, int]:
    lengths = {USER_AGENT: max(len(beginning) for sign in SIGNS for beginning in sign.user_agents)}
    for sign in SIGNS:
        for name, beginning in (*sign.headers, *((name, "") for name in sign.together)):
            lengths[name] = max(lengths.get(name, 1), len(beginning))  # 1: whether it is there
    return lengths


TELLING = _telling()
"""Every header that some sign looks at, and at how many characters of its value."""

SDK_HEADER = b"x-stainless-lang"
"""What the providers' SDKs send, whatever user agent a program gave them."""

SESSION_HEADER = b"x-claude-code-session-id"
CLASS_HEADER = b"x-claude-code-request-class"
SESSION_HEADERS = (
    *(b"session-id", b"session_id", b"x-session-id", b"x-opencode-session", b"x-session-affinity", b"x-affinity"),
    *(b"x-grok-session-id", b"x-mux-workspace-id", b"x-interaction-id", b"x-client-session-id", b"x-kilocode-taskid"),
    *(b"x-coder-chat-id", b"x-amp-thread-id", b"thread-id", b"conversation_id"),
)
"""Where a session is named, whoever calls: Claude Code's own header, then `metadata.user_id` of the body, then these,
then the body's `conversation` and `prompt_cache_key`. The first that is not empty counts."""


@frozen
class Client:
    """What a request says of who sent it."""

    client: str
    user_agent: str | None
    session_id: str | None
    agent_id: str | None
    parent_agent_id: str | None
    request_class: str | None
    agent_type: str | None
    previous_tool_ms: dict[str, float] | None


def recognise(exchange: Exchange, facts: RequestFacts, sdk: str) -> Client:
    """The client of a request; `sdk` is what to call one that says only that it uses an SDK of this API."""
    header = exchange.header
    return Client(
        client=_name(header, sdk),
        user_agent=header(b"user-agent"),
        session_id=session_of(header, facts),
        agent_id=header(b"x-claude-code-agent-id") or header(b"x-grok-agent-id") or None,
        parent_agent_id=header(b"x-claude-code-parent-agent-id") or None,
        request_class=header(CLASS_HEADER) or None,
        agent_type=header(b"x-claude-code-agent-type") or None,
        previous_tool_ms=_durations(header(b"x-claude-code-prev-tool-durations")),
    )


SUBAGENT_CLASSES = frozenset({"subagent", "workflow"})


def lane_of(exchange: Exchange, client: Client) -> Lane:
    """Whose request it is, where keys are scarce (docs/behaviour.md, Key pool)."""
    kind = (client.request_class or "").strip().lower()
    if is_beside(kind) or (exchange.header(b"x-app") or "").strip().lower() == "cli-bg":
        return "background"
    if kind in SUBAGENT_CLASSES:
        return "subagent"
    # Claude Code names an agent in requests of those alone that another one started; others name their first one too.
    started = client.parent_agent_id or exchange.header(b"x-claude-code-agent-id")
    return "subagent" if started and kind != "main" else "main"


def _name(header: Header, sdk: str) -> str:
    beginnings = tuple((header(name) or "")[:length] for name, length in TELLING.items())
    return _known(beginnings) or (sdk if header(SDK_HEADER) else UNKNOWN)


@lru_cache(256)
def _known(told: tuple[str, ...]) -> str | None:
    """The client whose headers begin so. There are as many to remember as agents and their versions."""
    header = dict(zip(TELLING, told, strict=True)).get
    user_agent = (header(USER_AGENT) or "").lower()
    return next((sign.client for sign in SIGNS if sign.fits(user_agent, header)), None)


def session_of(header: Header, facts: RequestFacts) -> str | None:
    """The session that a request names; None where it names none."""
    if named := header(SESSION_HEADER) or facts.user_session:
        return named
    return next((value for name in SESSION_HEADERS if (value := header(name))), None) or facts.session_hint


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
