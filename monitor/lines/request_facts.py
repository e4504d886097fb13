"""What a request cost: its tokens by kind, its money, its times, as lines for a panel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bridge.events.picture import Interception
from monitor.lines import format as fmt
from monitor.lines.request_row import tokens_in, tokens_per_second
from monitor.lines.request_story import words
from monitor.lines.span import Line, Span, Tone
from monitor.state.phase import running_ms
from monitor.state.state import MonitorState

BAR = 10


def lines(one: Interception, state: MonitorState, now: datetime, *, wide: bool) -> list[Line]:
    """All of it one under the other where there is a column for it, else in three lines."""
    return list(_tall(one, state, now)) if wide else list(_flat(one, state))


def _counts(one: Interception) -> list[tuple[str, int]]:
    used = one.tokens
    if used is None:
        return []
    return [
        ("input", used.input),
        ("from cache", used.cache_read_input),
        ("into cache", used.cache_write_input),
        ("output", used.output),
    ]


def _extra(one: Interception) -> list[tuple[str, int]]:
    """What else the provider counted, without a sum of what stands there already."""
    return [(name, count) for name, count in (one.tokens.extra if one.tokens else {}).items() if "total" not in name]


def _tall(one: Interception, state: MonitorState, now: datetime) -> Iterator[Line]:
    used = one.tokens
    yield (("Tokens", "title"),)
    if used is None:
        yield (("not known yet" if one.live else "none were reported", "muted"),)
    else:
        counts = _counts(one)
        most = max(1, *(count for _name, count in counts))
        for name, count in counts:
            full, empty = fmt.bar(count / most, BAR)
            yield (*_fact(name, f"{count:,}"), ("  ", "plain"), (full, "live"), (empty, "faint"))
        for name, count in _extra(one):
            yield _fact(f"  {words(name)}", f"{count:,}", "muted")
        total = tokens_in(one) or 0
        if total:
            yield _fact("cached", f"{used.cache_read_input / total:.0%}")
    yield ()
    yield (("Cost", "title"),)
    yield _fact("dollars", fmt.cost(used.cost_usd if used else None))
    if used and used.cost_usd and used.output:
        yield _fact("per 1k output", fmt.cost(used.cost_usd / used.output * 1_000))
    yield ()
    yield (("Time", "title"),)
    yield _fact("running" if one.live else "took", fmt.duration(running_ms(one, now)))
    yield _fact("first byte", fmt.duration(one.first_byte_ms))
    yield _fact("first token", fmt.duration(state.first_token_ms(one)))
    speed = tokens_per_second(one, state)
    yield _fact("tokens/s", fmt.UNKNOWN if speed is None else f"{speed:.0f}")
    yield _fact("relayed", fmt.UNKNOWN if one.bytes_out is None else fmt.size(one.bytes_out))
    yield ()
    yield from _who(one)


def _who(one: Interception) -> Iterator[Line]:
    yield (("Request", "title"),)
    facts = {
        "id": one.id,
        "provider": one.provider,
        "upstream id": one.upstream_request_id,
        "session": one.session_id,
        "agent": one.agent_id,
        "class": one.request_class,
        "by": one.initiator,
        "user agent": one.user_agent,
        "after call": one.correlating_tool_call_id,
    }
    for name, value in facts.items():
        if value:
            yield (f"{name:<13} ", "muted"), (fmt.one_line(value), "plain")


def _fact(name: str, value: str, tone: Tone = "plain") -> Line:
    return (f"{name:<13} ", "muted"), (f"{value:>9}", tone)


def _flat(one: Interception, state: MonitorState) -> Iterator[Line]:
    used = one.tokens
    counts: list[Span] = []
    for name, count in _counts(one):
        counts += [(f"{name} ", "muted"), (f"{count:,}  ", "plain")]
    for name, count in _extra(one):
        counts += [(f"{words(name)} ", "muted"), (f"{count:,}  ", "plain")]
    yield tuple(counts) or (("tokens are not known yet" if one.live else "no tokens were reported", "muted"),)
    speed = tokens_per_second(one, state)
    yield _row(
        ("cost", fmt.cost(used.cost_usd if used else None)),
        ("tokens/s", fmt.UNKNOWN if speed is None else f"{speed:.0f}"),
        ("relayed", fmt.UNKNOWN if one.bytes_out is None else fmt.size(one.bytes_out)),
    )
    yield _row(
        ("first byte", fmt.duration(one.first_byte_ms)),
        ("first token", fmt.duration(state.first_token_ms(one))),
        ("session", fmt.one_line(one.session_id)),
    )


def _row(*facts: tuple[str, str]) -> Line:
    return tuple(span for name, value in facts for span in ((f"{name} ", "muted"), (f"{value}  ", "plain")))
