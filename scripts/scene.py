"""Ten minutes in the life of a bridge, told as its own messages: what the pictures show, and a log to replay.

The agents' work is the demo's (`bridge.simulator.scenario.stories`); when it happens, with which keys and at what cost,
is written down here, so that every picture is the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from attrs import evolve, field, frozen

from bridge.events.picture import Picture
from bridge.events.values import (
    Credential,
    FailureReason,
    KeyCause,
    KeyState,
    Outcome,
    RateLimit,
    RateLimits,
    ThoughtSource,
    WithheldReason,
)
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope, Hello, Message, Snapshot
from bridge.simulator.answers import Commentary, HiddenThought, ScriptedThought, Text, ToolCall
from bridge.simulator.scenario.stories import Story, roles

BEGAN = datetime(2026, 3, 6, 9, 32, tzinfo=UTC)
ROUND_S = 125.0
ROUNDS = 4
"""The same work went on before, without trouble."""

NOW_S = ROUNDS * ROUND_S
"""When the part begins that the pictures are about …"""

LAST_S = NOW_S + 121.8
"""… and when they are taken: one agent thinks, one answers, a key cools."""

FIRST, SECOND, THIRD, CLAUDE, RESERVE = "sk-p...4tq8", "sk-p...m3Rk", "sk-p...p9Xd", "sk-a...Lw2e", "sk-a...77Bq"
LIMITED, OVERLOADED, REFUSED = (
    (429, FailureReason.RATE_LIMITED, 25.0),
    (529, FailureReason.OVERLOADED, 12.0),
    (401, FailureReason.UNAUTHORIZED, None),
)

Failure = tuple[int, FailureReason, float | None]
Timed = tuple[float, Event]


@frozen
class Agent:
    """Who asks: one session of one client."""

    client: str
    model: str
    session: str
    user_agent: str
    provider: str = "openai"
    api: str = "responses"
    source: ThoughtSource = ThoughtSource.REASONING_SUMMARY
    streaming: bool = True


CODEX = Agent("Codex", "gpt-5.1-codex", "019cc1f4-41d0", "codex_cli_rs/0.98.0")
CLAUDE_CODE = Agent(
    "Claude Code", "claude-opus-4-5", "7b1e90c2-63aa", "claude-cli/2.1.40", "anthropic", "messages",
    ThoughtSource.THINKING,
)  # fmt: skip
CURSOR = Agent("Cursor", "gpt-5.5", "c9d4aa10-0f3e", "connect-es/1.6.1", api="chat_completions")
SCRIPT = Agent("OpenAI SDK", "gpt-5.4-mini", "", "OpenAI/Python 2.21.0", api="chat_completions", streaming=False)

WINDOWS = {"gpt-5.1-codex": 400_000, "claude-opus-4-5": 200_000, "gpt-5.5": 1_000_000, "gpt-5.4-mini": 400_000}
"""Tokens that each model takes, as the price list has it."""

PATHS = {"responses": "responses", "chat_completions": "chat/completions", "messages": "messages"}


@frozen
class Play:
    """One request: when, whose, which step of which story, on which keys it failed first, and what it used."""

    at: float
    agent: Agent
    story: Story
    step: int
    key: str
    used: tuple[int, int, int]  # input, read from the cache, output
    cost: float
    failures: tuple[tuple[str, Failure], ...] = ()
    first_s: float = 0.9
    pace: float = 16.0  # words a second
    cancelled_after: float | None = None
    id: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "id", str(uuid5(NAMESPACE_URL, f"{self.agent.client} {self.at}")))


def plays() -> Iterator[Play]:
    """All requests, in order of time."""
    for count in range(ROUNDS):
        for number, play in enumerate(_round()):
            key = SECOND if play.agent is CURSOR else RESERVE if play.agent is CLAUDE_CODE else play.key
            session = play.agent.session
            agent = evolve(play.agent, session=session and f"{session[:4]}{count}{session[5:]}")
            fresh, cached, output = play.used
            used = (fresh + 37 * count, cached, output + 11 * (count + number) % 60)
            at = play.at + count * ROUND_S + 2.5 * ((count * 7 + number * 3) % 5)
            yield evolve(play, at=at, agent=agent, key=key, used=used, failures=(), cancelled_after=None)
    for play in _round():
        yield evolve(play, at=play.at + NOW_S)


def _round() -> list[Play]:
    friday, leak, search, rename = _story("tests/"), _story("The import"), _story("The search"), _story("Rename")
    triage, safe = _story("Triage"), _story("Is it safe")
    refused, overloaded, limited = ((SECOND, REFUSED),), ((RESERVE, OVERLOADED),), ((FIRST, LIMITED),)
    return [
        Play(1.0, SCRIPT, triage, 0, THIRD, (1_840, 0, 212), 0.0012, pace=32),
        Play(4.0, CLAUDE_CODE, leak, 0, CLAUDE, (9_320, 0, 388), 0.0563, first_s=1.4),
        Play(9.0, CODEX, friday, 0, FIRST, (11_204, 0, 342), 0.0174),
        Play(16.0, CURSOR, search, 0, THIRD, (7_411, 5_120, 158), 0.0088, refused, first_s=1.1),
        Play(27.0, SCRIPT, triage, 1, THIRD, (2_366, 1_792, 140), 0.0006, pace=32),
        Play(33.0, CODEX, friday, 1, FIRST, (12_918, 11_136, 287), 0.0065),
        Play(40.0, CURSOR, search, 1, THIRD, (9_780, 7_296, 203), 0.0072),
        Play(52.0, CLAUDE_CODE, leak, 1, CLAUDE, (10_240, 9_216, 421), 0.0202, overloaded, first_s=1.9),
        Play(61.0, CURSOR, search, 2, THIRD, (10_655, 9_472, 640), 0.0119, cancelled_after=2.5),
        Play(74.0, SCRIPT, safe, 1, FIRST, (3_140, 0, 318), 0.0019, pace=32),
        Play(86.0, CURSOR, rename, 1, THIRD, (6_902, 5_888, 174), 0.0041),
        Play(113.0, CLAUDE_CODE, leak, 2, CLAUDE, (10_911, 10_240, 377), 0.0159, first_s=1.3, pace=12),
        Play(115.5, CODEX, friday, 2, THIRD, (13_480, 12_672, 398), 0.0071, limited, pace=13),
    ]


def _story(beginning: str) -> Story:
    return next(story for role in roles() for story in role.stories if story.prompt.startswith(beginning))


def last_plays(agent: Agent) -> Iterator[Play]:
    """What one agent asks in the part that the pictures are about."""
    return (play for play in plays() if play.at > NOW_S and play.agent == agent)


def messages(played: Iterable[Play] | None = None) -> list[Message]:
    """What a subscriber hears from the bridge's start to `LAST_S`: `hello`, `snapshot`, events of those requests.

    None: of all.
    """
    asked = plays() if played is None else played
    keys = [(at + NOW_S * (at > 0), event) for at, event in _keys()]
    timeline = sorted([*keys, *(timed for play in asked for timed in _events(play))], key=lambda timed: timed[0])
    hello = Hello(1, "0.1.0", 4242, "http://127.0.0.1:8484", BEGAN)
    heard: list[Message] = [hello, Snapshot.of(Picture(), 0, BEGAN)]
    for seq, (at, event) in enumerate((timed for timed in timeline if timed[0] <= LAST_S), 1):
        heard.append(Envelope(seq, _time(at), event))
    return heard


def _time(at: float) -> datetime:
    return BEGAN + timedelta(seconds=round(at, 3))


def _asked_at(at: float) -> str:
    """The id of the request of that time in the last part."""
    return next(play.id for play in plays() if play.at == at + NOW_S)


def _keys() -> Iterator[Timed]:
    """The pools at the start, and how the keys fare in the last part."""

    def left(requests: int, tokens: int, limit: int = 500) -> RateLimits:
        return RateLimits(
            RateLimit(limit, requests, _time(NOW_S + 180)), RateLimit(limit * 400, tokens, _time(NOW_S + 180))
        )

    for key in (FIRST, SECOND, THIRD):
        yield 0.0, KeyChanged("openai", key, KeyState.VALID)
    for key in (RESERVE, CLAUDE):
        yield 0.0, KeyChanged("anthropic", key, KeyState.VALID)
    yield 2.0, KeyChanged("openai", THIRD, KeyState.VALID, limits=left(496, 188_400))
    yield 5.5, KeyChanged("anthropic", CLAUDE, KeyState.VALID, limits=left(199, 76_200, 200))
    yield 10.0, KeyChanged("openai", FIRST, KeyState.VALID, limits=left(12, 41_000))
    cause = KeyCause(_asked_at(16.0), 401, "Incorrect API key provided.")
    yield 16.28, KeyChanged("openai", SECOND, KeyState.PERMANENT, "unauthorized", cause=cause)
    cause = KeyCause(_asked_at(52.0), 529, "Overloaded")
    until = _time(NOW_S + 64.28)
    yield 52.28, KeyChanged("anthropic", RESERVE, KeyState.TEMPORARY, "overloaded", until, "default", cause=cause)
    yield 64.28, KeyChanged("anthropic", RESERVE, KeyState.VALID)
    yield 113.0, KeyChanged("anthropic", CLAUDE, KeyState.VALID, limits=left(141, 58_900, 200))
    cause = KeyCause(_asked_at(115.5), 429, "Rate limit reached for gpt-5.1-codex. Please try again in 25s.")
    until, spent = _time(NOW_S + 140.78), left(0, 18_200)
    yield 115.78, KeyChanged("openai", FIRST, KeyState.TEMPORARY, "rate_limited", until, "header", spent, cause=cause)
    yield 117.0, KeyChanged("openai", THIRD, KeyState.VALID, limits=left(412, 154_000))


def _events(play: Play) -> Iterator[Timed]:
    """One request from its beginning to its end."""
    agent, at, name = play.agent, play.at, play.id
    path = f"/{agent.provider}/v1/{PATHS[agent.api]}"
    yield at, InterceptionStarted(
        name, agent.provider, agent.api, "POST", path, Credential("centralized"), agent.model, agent.streaming,
        agent.client, agent.user_agent, agent.session or None,
    )  # fmt: skip
    at += 0.003
    for number, (key, (status, reason, cooldown_s)) in enumerate(play.failures, 1):
        yield at, AttemptStarted(name, number, key)
        at += 0.28
        yield at, AttemptFailed(name, number, key, status, reason, cooldown_s)
        at += 0.001
    attempts = len(play.failures) + 1
    yield at, AttemptStarted(name, attempts, play.key)
    first_byte = at + 0.3
    response = f"resp_{name[:8]}"
    yield first_byte, ResponseStarted(name, attempts, 200, f"req_{name[:8]}")
    yield first_byte, PromptRecorded(name, response, play.story.prompt)
    at = first_token = at + play.first_s
    until = play.at + (play.cancelled_after or 1_000.0)
    for when, event in _response(play, response, at):
        if when > until:
            break
        yield when, event
        at = when
    outcome, error = Outcome.COMPLETED, None
    if play.cancelled_after is not None:
        outcome, at, error = Outcome.CANCELLED, until, "the client closed the connection"
    else:
        fresh, cached, output = play.used
        at += 0.02
        yield (
            at,
            TokensUsed(
                name, response, fresh - cached, output, cached, context_window=WINDOWS[agent.model], cost_usd=play.cost
            ),
        )
    took, byte, token = ((moment - play.at) * 1000 for moment in (at, first_byte, first_token))
    yield at + 0.001, InterceptionEnded(name, outcome, 200, error, attempts, took, byte, token, play.used[2] * 61)


def _response(play: Play, response: str, at: float) -> Iterator[Timed]:
    """What the model lets out, word by word."""
    name, index = play.id, 0
    for part in play.story.steps[play.step].parts:
        match part:
            case ScriptedThought(text) | Commentary(text):
                source = play.agent.source if isinstance(part, ScriptedThought) else ThoughtSource.COMMENTARY
                for piece in _pieces(text):
                    yield at, ThoughtDelta(name, index, source, piece)
                    at += len(piece.split()) / play.pace
                yield at, ThoughtRecorded(name, response, index, source, text)
                index += 1
            case HiddenThought(length):
                at += 1.5
                yield at, ThoughtWithheld(name, response, index, WithheldReason.ENCRYPTED, length)
                index += 1
            case ToolCall(tool, arguments):
                at += 0.4
                yield at, ToolCalled(name, response, f"call_{name[:6]}", tool, arguments)
            case Text(text):
                for piece in _pieces(text):
                    yield at, AnswerDelta(name, piece)
                    at += len(piece.split()) / play.pace


def _pieces(text: str) -> list[str]:
    """A text as it comes: two words at a time."""
    return re.findall(r"\S+\s+\S*\s*|\S+", text)
