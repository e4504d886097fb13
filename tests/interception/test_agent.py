"""Which agent is calling, and in which of its sessions (docs/behaviour.md, Who is calling)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.hub import utc_now
from bridge.events.vocabulary import Credential, InterceptionStarted
from bridge.events.wire import Envelope, decode, encode
from bridge.http.engine import Message
from bridge.http.exchange import Exchange
from bridge.interception.agent import Client, recognise


def caller(session_hint: str | None = None, **headers: str) -> Client:
    """The client of a request with these headers, written with underscores."""
    return told_by({name.replace("_", "-"): value for name, value in headers.items()}, session_hint)


def told_by(headers: dict[str, str], session_hint: str | None = None) -> Client:
    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": raw}
    return recognise(Exchange(scope, receive, send), session_hint)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("mux/0.5.0 ai-sdk/openai/2.0", "Mux"),
        ("claude-cli/2.1.0 (external, cli)", "Claude Code"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown (codex_exec; 0.169.0)", "Codex"),
        ("codex_cli_rs/0.60.0", "Codex"),
        ("Zed/0.220.3+stable (linux; x86_64)", "Zed"),
        ("GitHubCopilotChat/0.37.5", "GitHub Copilot (VS Code)"),
        ("copilot/0.0.403 (client/cli linux v24)", "GitHub Copilot (CLI)"),
        ("Kilo-Code/5.1.0", "Kilo Code"),
        ("RooCode/1 roo-code/3.45.0", "Roo Code"),
        ("coder-agents/v2.24.0", "Coder Agents"),
        ("Charm Crush/0.1.11", "Charm Crush"),
        ("opencode/1.0 ai-sdk/provider", "opencode"),
        ("aider/0.86.0 +https://aider.chat", "Aider"),
        ("GeminiCLI/0.1 (linux; x64)", "Gemini"),
        ("OpenAI/Python 3.54.0", "OpenAI SDK"),
        ("AsyncOpenAI/Python 3.54.0", "OpenAI SDK"),
        ("OpenAI/JS 5.12.2", "OpenAI SDK"),
        ("Anthropic/Python 2.12.0", "Anthropic SDK"),
        ("AsyncAnthropic/Python 2.12.0", "Anthropic SDK"),
        ("connect-es/1.6.1", "Unknown"),
        ("curl/8.0", "Unknown"),
        ("", "Unknown"),
    ],
)
def test_the_user_agent_tells_who_is_calling(user_agent: str, name: str) -> None:
    found = caller(user_agent=user_agent)
    assert (found.client, found.user_agent) == (name, user_agent)
    assert caller(user_agent=user_agent.upper()).client == name


def test_without_a_user_agent_the_client_is_unknown() -> None:
    assert caller() == Client("Unknown", None, None, None, None, None, None, None)


@pytest.mark.parametrize("user_agent", ["connect-es/1.6.1", "OpenAI/JS 5.12.2", ""])
def test_agents_on_a_borrowed_sdk_are_told_by_a_header(user_agent: str) -> None:
    assert caller(user_agent=user_agent, x_cursor_client_version="2.4.21").client == "Cursor"
    assert caller(user_agent=user_agent, originator="kilo-code").client == "Kilo Code"
    assert caller(user_agent=user_agent, originator="Kilo-Code").client == "Kilo Code"


CLAUDE, CODEX = "claude-cli/2.1.0", "codex_exec/0.169.0"


@pytest.mark.parametrize(
    ("headers", "session"),
    [
        ({"user-agent": CLAUDE, "x-claude-code-session-id": "s"}, "s"),
        ({"user-agent": CODEX, "session-id": "s", "session_id": "old"}, "s"),
        ({"user-agent": CODEX, "session_id": "s"}, "s"),
        ({"user-agent": "mux/1", "x-mux-workspace-id": "s"}, "s"),
        ({"user-agent": "GitHubCopilotChat/1", "x-interaction-id": "s", "x-client-session-id": "t"}, "s"),
        ({"user-agent": "copilot/1", "x-client-session-id": "s"}, "s"),
        ({"user-agent": "kilo-code/1", "x-kilocode-taskid": "s"}, "s"),
        ({"originator": "kilo-code", "X-KILOCODE-TASKID": "s"}, "s"),
        ({"user-agent": "coder-agents/1", "x-coder-chat-id": "s"}, "s"),
        ({"user-agent": "curl/8", "session-id": "s"}, None),
        ({"user-agent": CODEX, "x-claude-code-session-id": "s"}, None),
        ({"user-agent": CLAUDE, "x-claude-code-session-id": ""}, None),
    ],
)
def test_each_agent_names_its_session_in_its_own_header(headers: dict[str, str], session: str | None) -> None:
    assert told_by(headers).session_id == session
    assert told_by(headers, "from the body").session_id == (session or "from the body")


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
