"""Which agent is calling, and in which of its sessions (docs/behaviour.md, Who is calling)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.protocol import RequestFacts
from bridge.events.hub import utc_now
from bridge.events.values import Credential
from bridge.events.vocabulary import InterceptionStarted
from bridge.events.wire import Envelope, decode, encode
from bridge.http.engine import Message
from bridge.http.exchange import Exchange
from bridge.interception.agent import SESSION_HEADERS, SIGNS, TELLING, Client, lane_of, recognise

Headers = dict[str, str]
STAINLESS = {"x-stainless-lang": "js", "x-stainless-package-version": "6.9.1", "x-stainless-runtime": "node"}


def caller(facts: RequestFacts | None = None, **headers: str) -> Client:
    """The client of a request with these headers, written with underscores."""
    return recognised({name.replace("_", "-"): value for name, value in headers.items()}, facts)


def recognised(headers: Headers, facts: RequestFacts | None = None, sdk: str = "OpenAI SDK") -> Client:
    """The client of a request with these headers, whose body says that."""
    return recognise(sent(headers), facts or RequestFacts(), sdk)


def sent(headers: Headers) -> Exchange:
    """A request with these headers."""

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": raw}
    return Exchange(scope, receive, send)


QUIET = RequestFacts()
"""A body that says nothing of a session."""

REQUESTS: list[tuple[str, str | None, Headers, RequestFacts]] = [
    (
        "Claude Code",
        "019b-claude",
        {
            "user-agent": "claude-cli/2.1.278 (external, cli)",
            "x-app": "cli",
            "anthropic-version": "2023-06-01",
            "x-claude-code-session-id": "019b-claude",
            **STAINLESS,
        },
        RequestFacts(user_session="from the body"),
    ),
    (
        "Claude Code",
        "0f5c-older",
        {"user-agent": "claude-cli/1.0.83 (external, cli)", "x-app": "cli", **STAINLESS},
        RequestFacts(user_session="0f5c-older"),
    ),
    (
        "Codex",
        "019a-codex",
        {
            "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown (codex_exec; 0.169.0)",
            "originator": "codex_exec",
            "session-id": "019a-codex",
            "thread-id": "019a-thread",
        },
        RequestFacts(session_hint="019a-cache-key"),
    ),
    (
        "Codex",
        "old",
        {"user-agent": "codex_cli_rs/0.60", "originator": "codex_cli_rs", "session_id": "old"},
        QUIET,
    ),
    ("Codex", None, {"user-agent": "reqwest/0.12", "originator": "codex_vscode"}, QUIET),
    (
        "Kilo",
        "ses_kilo",
        {
            "user-agent": "opencode/7.7.7 ai-sdk/provider-utils/4.0",
            "x-title": "Kilo Code",
            "x-session-affinity": "ses_kilo",
        },
        QUIET,
    ),
    (
        "Kilo",
        "ses_2",
        {"user-agent": "kilo/7.7.7", "x-session-id": "ses_2", "x-session-affinity": "ses_2"},
        QUIET,
    ),
    (
        "Kilo",
        "task",
        {"user-agent": "OpenAI/JS 5.1", "originator": "kilo-code", "x-kilocode-taskid": "task"},
        QUIET,
    ),
    ("Kilo", None, {"user-agent": "Kilo-Code/5.1.0"}, QUIET),
    (
        "opencode",
        "ses_open",
        {"user-agent": "opencode/1.18.33 ai-sdk/provider-utils/3.0.9 runtime/bun/1.3", "x-session-id": "ses_open"},
        QUIET,
    ),
    ("Roo Code", None, {"user-agent": "roo-code/3.45.0"}, QUIET),
    ("Roo Code", None, {"user-agent": "OpenAI/JS 5.12.2", "originator": "roo-code"}, QUIET),
    ("Mux", "ws-1", {"user-agent": "mux/0.5.0 ai-sdk/openai/2.0", "x-mux-workspace-id": "ws-1"}, QUIET),
    ("Mux", None, {"user-agent": "xum/0.6.0"}, QUIET),
    ("Zed", None, {"user-agent": "Zed/0.220.3+stable (linux; x86_64)"}, QUIET),
    (
        "Copilot (VS Code)",
        "int-1",
        {"user-agent": "GitHubCopilotChat/0.37.5", "x-interaction-id": "int-1", "x-client-session-id": "cs"},
        QUIET,
    ),
    (
        "Copilot CLI",
        "cache-key",
        {"user-agent": "hlr/JS 5.20.1", "x-initiator": "user", "x-interaction-type": "conversation-agent", **STAINLESS},
        RequestFacts(session_hint="cache-key"),
    ),
    (
        "Copilot CLI",
        "cache-key",
        {"user-agent": "OpenAI/JS 5.20.1", "x-initiator": "agent", **STAINLESS},
        RequestFacts(session_hint="cache-key"),
    ),
    (
        "Copilot CLI",
        "cs",
        {"user-agent": "copilot/1.0.102 (linux)", "x-client-session-id": "cs"},
        QUIET,
    ),
    ("Coder Agents", "chat", {"user-agent": "coder-agents/v2.24.0", "x-coder-chat-id": "chat"}, QUIET),
    ("Crush", None, {"user-agent": "Charm Crush/0.1.11"}, QUIET),
    ("Crush", None, {"user-agent": "charm-crush/0.20.0"}, QUIET),
    ("Cursor", None, {"user-agent": "connect-es/1.6.1", "x-cursor-client-version": "2.4.21"}, QUIET),
    ("Cursor", None, {"user-agent": "cursor-cli/2026.10.1"}, QUIET),
    ("Droid", "key", {"user-agent": "factory-cli/0.30.0"}, RequestFacts(session_hint="key")),
    (
        "Grok",
        "grok-1",
        {"user-agent": "grok-shell/0.2", "x-grok-session-id": "grok-1", "x-grok-agent-id": ""},
        QUIET,
    ),
    ("Grok", "grok-2", {"user-agent": "reqwest/0.12", "x-grok-session-id": "grok-2"}, QUIET),
    ("Mistral Vibe", "vibe", {"user-agent": "mistral-vibe/1.3.0", "x-affinity": "vibe"}, QUIET),
    ("Qwen Code", None, {"user-agent": "QwenCode/0.15.10 (linux; x64)", **STAINLESS}, QUIET),
    ("Gemini CLI", None, {"user-agent": "GeminiCLI/0.1 (linux; x64)"}, QUIET),
    ("Junie", None, {"user-agent": "junie:cli:1.0"}, QUIET),
    ("Aider", None, {"user-agent": "aider/0.86.2 +https://aider.chat"}, QUIET),
    ("Cline", None, {"user-agent": "Cline/3.0.65"}, QUIET),
    ("Continue", None, {"user-agent": "Continue/1.5.47"}, QUIET),
    ("goose", None, {"user-agent": "goose/1.12.0"}, QUIET),
    ("OpenHands", None, {"user-agent": "OpenHands/1.16.0"}, QUIET),
    ("LiteLLM", None, {"user-agent": "litellm/1.108.0"}, QUIET),
    ("OpenAI Agents SDK", None, {"user-agent": "Agents/Python 0.5.0", **STAINLESS}, QUIET),
    ("Pydantic AI", None, {"user-agent": "pydantic-ai/1.30.0"}, QUIET),
    ("LangChain", None, {"user-agent": "langchain-openai/1.1.0"}, QUIET),
    ("AI SDK", None, {"user-agent": "ai-sdk/openai-compatible/1.0.27"}, QUIET),
    ("AI SDK", None, {"user-agent": "ai/5.0.100"}, QUIET),
    ("OpenAI SDK", None, {"user-agent": "OpenAI/Python 3.54.0", **STAINLESS}, QUIET),
    ("OpenAI SDK", None, {"user-agent": "AsyncOpenAI/Python 3.54.0", **STAINLESS}, QUIET),
    ("Anthropic SDK", None, {"user-agent": "Anthropic/Python 2.12.0", **STAINLESS}, QUIET),
    ("Anthropic SDK", None, {"user-agent": "AsyncAnthropic/Python 2.12.0", **STAINLESS}, QUIET),
    ("OpenAI SDK", None, {"user-agent": "ls/JS 1.5.47", **STAINLESS}, QUIET),
    ("Unknown", None, {"user-agent": "connect-es/1.6.1"}, QUIET),
    ("Unknown", None, {"user-agent": "curl/8.0"}, QUIET),
    ("Unknown", None, {"user-agent": "curl/8.0", "x-initiator": "user"}, QUIET),
    ("Unknown", None, {"user-agent": "tmux/1"}, QUIET),
    ("Unknown", None, {"user-agent": "my-claude-cli/1 codex aider"}, QUIET),
    ("Unknown", None, {"user-agent": ""}, QUIET),
    ("Unknown", None, {}, QUIET),
]
"""A request as each agent sends it: whose it is, its session, its telling headers, and what its body says."""


@pytest.mark.parametrize(
    ("client", "session", "headers", "facts"), REQUESTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_agent_is_known_by_its_request(
    client: str, session: str | None, headers: Headers, facts: RequestFacts
) -> None:
    found = recognised(headers, facts)
    assert (found.client, found.session_id) == (client, session)
    assert found.user_agent == headers.get("user-agent")
    shouted = {name.upper(): value.upper() if name == "user-agent" else value for name, value in headers.items()}
    assert recognised(shouted, facts).client == client


def test_every_client_of_the_table_has_its_request() -> None:
    assert {sign.client for sign in SIGNS} | {"Unknown"} == {client for client, *_ in REQUESTS}


def test_as_much_of_each_header_is_looked_at_as_signs_need() -> None:
    looked_at = {name: " " * length for name, length in TELLING.items()}
    for sign in SIGNS:
        assert all(len(beginning) <= len(looked_at[b"user-agent"]) for beginning in sign.user_agents)
        assert all(max(len(beginning), 1) <= len(looked_at[name]) for name, beginning in sign.headers)
        assert all(looked_at[name] for name in sign.together)


def test_one_client_after_another_is_known_for_itself() -> None:
    """Though what was found of the one before is remembered."""
    assert caller(user_agent="opencode/1.0").client == "opencode"
    assert caller(user_agent="opencode/1.0", originator="Kilo-Code").client == "Kilo"
    assert caller(user_agent="x" * 64 + "codex").client == "Unknown"
    assert caller(user_agent="x" * 64 + "codex", x_stainless_lang="js").client == "OpenAI SDK"
    assert caller().client == "Unknown"


def test_an_sdk_under_another_name_is_that_of_the_api() -> None:
    assert recognised(STAINLESS, sdk="Anthropic SDK").client == "Anthropic SDK"


def test_a_session_is_taken_from_where_it_is_named_first() -> None:
    names = [name.decode() for name in SESSION_HEADERS]
    headers = {"user-agent": "curl/8", **{name: f"in {name}" for name in names}}
    facts = RequestFacts(user_session="in metadata", session_hint="in the body")
    assert recognised({"x-claude-code-session-id": "first", **headers}, facts).session_id == "first"
    assert recognised({"x-claude-code-session-id": "", **headers}, facts).session_id == "in metadata"
    facts = RequestFacts(session_hint="in the body")
    for name in names:
        assert recognised(headers, facts).session_id == f"in {name}"
        headers[name] = ""
    assert recognised(headers, facts).session_id == "in the body"
    assert recognised(headers).session_id is None


def test_grok_names_its_agent_unless_the_name_is_empty() -> None:
    assert recognised({"x-grok-agent-id": "a1", "x-grok-session-id": "s"}).agent_id == "a1"
    assert recognised({"x-grok-agent-id": "", "x-grok-session-id": "s"}).agent_id is None


CLAUDE = "claude-cli/2.1.0"


def test_claude_codes_hints_are_taken() -> None:
    found = caller(
        user_agent=CLAUDE,
        x_claude_code_agent_id="a1",
        x_claude_code_parent_agent_id="a0",
        x_claude_code_request_class="main",
        x_claude_code_agent_type="explore",
        x_claude_code_prev_tool_durations='{"Bash": 120, "Read": 3.5}',
    )
    assert (found.agent_id, found.parent_agent_id, found.request_class, found.agent_type) == (
        *("a1", "a0"),
        *("main", "explore"),
    )
    assert found.previous_tool_ms == {"Bash": 120.0, "Read": 3.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ('{"a": true, "b": "1", "c": null, "d": -1}', {"d": -1.0}),
        ("[]", None),
        ("5", None),
        ("not json", None),
        ('{"a": NaN}', None),
        ('{"a": Infinity}', None),
        ('{"\\ud800": 1}', None),
        ('{"a": 1' + "0" * 400 + "}", None),
        ("[" * 20_000, None),
    ],
)
def test_durations_of_any_form_do_no_harm(text: str, expected: dict[str, float] | None) -> None:
    assert caller(x_claude_code_prev_tool_durations=text).previous_tool_ms == expected


@given(st.text(st.characters(max_codepoint=0xFF)), st.text(st.characters(max_codepoint=0xFF)))
def test_whatever_a_client_says_can_be_told(agent: str, durations: str) -> None:
    found = caller(user_agent=agent, originator=agent, x_claude_code_prev_tool_durations=durations)
    started = InterceptionStarted(
        *("id", "openai", "responses", "POST", "/"),
        credential=Credential("centralized"),
        client=found.client,
        user_agent=found.user_agent,
        previous_tool_ms=found.previous_tool_ms,
    )
    told = decode(encode(Envelope(1, utc_now(), started)))
    assert isinstance(told, Envelope)
    assert told.event == started


@pytest.mark.parametrize(
    ("headers", "lane"),
    [
        ({}, "main"),
        ({"x-app": "cli"}, "main"),
        ({"x-app": "cli-bg"}, "background"),
        ({"x-claude-code-request-class": "compaction"}, "background"),
        ({"x-claude-code-request-class": "Auxiliary"}, "background"),
        ({"x-claude-code-request-class": "titles", "x-claude-code-agent-id": "a"}, "background"),
        ({"x-claude-code-request-class": "subagent"}, "subagent"),
        ({"x-claude-code-request-class": "workflow"}, "subagent"),
        ({"x-claude-code-agent-id": "a"}, "subagent"),
        ({"x-claude-code-parent-agent-id": "p"}, "subagent"),
        ({"x-claude-code-request-class": "main", "x-claude-code-agent-id": "a"}, "main"),
        ({"x-grok-session-id": "s", "x-grok-agent-id": "a"}, "main"),
        ({"x-claude-code-request-class": "something new"}, "main"),
    ],
)
def test_whose_request_it_is_where_keys_are_scarce(headers: dict[str, str], lane: str) -> None:
    exchange = sent(headers)

    assert lane_of(exchange, recognise(exchange, RequestFacts(), "an SDK")) == lane
