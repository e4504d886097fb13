"""What a request cost: its tokens by kind, its money, its times, as lines for a panel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.cells import cell_len

from bridge.events.entries import Interception, Serving
from bridge.events.values import served_otherwise
from monitor.lines import format as fmt
from monitor.lines.request_row import tokens_in, tokens_per_second
from monitor.lines.span import Line, Span, Tone
from monitor.state.phase import running_ms
from monitor.state.state import MonitorState

BAR = 10


def lines(request: Interception, state: MonitorState, now: datetime, width: int, *, wide: bool) -> list[Line]:
    """All of it one under the other where there is a column for it, else in three lines or a few more."""
    return list(_tall(request, state, now)) if wide else list(_flat(request, state, width))


def _counts(request: Interception) -> list[tuple[str, int]]:
    used = request.tokens
    if used is None:
        return []
    return [
        ("input", used.input),
        ("from cache", used.cache_read_input),
        ("into cache", used.cache_write_input),
        ("output", used.output),
    ]


def _extra(request: Interception) -> list[tuple[str, int]]:
    """What else the provider counted, without a sum of what stands there already."""
    return [
        (name, count) for name, count in (request.tokens.extra if request.tokens else {}).items() if "total" not in name
    ]


def _tall(request: Interception, state: MonitorState, now: datetime) -> Iterator[Line]:
    used = request.tokens
    if request.served is not None:
        yield from _served(request.served)
    yield (("Tokens", "title"),)
    if used is None:
        yield (("not known yet" if request.live else "none were reported", "muted"),)
    else:
        counts = _counts(request)
        most = max(1, *(count for _name, count in counts))
        for name, count in counts:
            full, empty = fmt.bar(count / most, BAR)
            yield (*_fact(name, f"{count:,}"), ("  ", "plain"), (full, "live"), (empty, "faint"))
        for name, count in _extra(request):
            yield _fact(f"  {fmt.words(name)}", f"{count:,}", "muted")
        total = tokens_in(request) or 0
        if total:
            yield _fact("cached", f"{used.cache_read_input / total:.0%}")
    yield ()
    yield (("Cost", "title"),)
    yield _fact("dollars", fmt.spent(used))
    if used and used.cost_usd and used.output:
        yield _fact("per 1k output", fmt.cost(used.cost_usd / used.output * 1_000, used.cost_mark))
    yield ()
    yield (("Time", "title"),)
    yield _fact("running" if request.live else "took", fmt.duration(running_ms(request, now)))
    yield _fact("first byte", fmt.duration(request.first_byte_ms))
    yield _fact("first token", fmt.duration(state.first_token_ms(request)))
    speed = tokens_per_second(request, state)
    yield _fact("tokens/s", fmt.tokens(None if speed is None else round(speed)))
    yield ()
    yield from _bytes(request)
    yield from _who(request)


def _bytes(request: Interception) -> Iterator[Line]:
    """What was relayed, and the proof that nothing was changed on the way."""
    yield (("Bytes", "title"),)
    both = (("request", request.bytes_in, request.request_equal), ("answer", request.bytes_out, request.answer_equal))
    for name, count, equal in both:
        shown = fmt.UNKNOWN if count is None else f"{count:,} B"
        yield (f"{name:<9} ", "muted"), (f"{shown:>13} ", "plain"), proof(equal, request)
    yield ()


def proof(equal: bool | None, request: Interception) -> Span:
    """Whether what came in went out, byte for byte."""
    if equal is not None:
        return ("in = out ✓", "good") if equal else ("in ≠ out ✗", "bad")
    return (f"added: {fmt.one_line(', '.join(request.added))}", "warn") if request.added else ("", "muted")


def serving(served: Serving) -> Line:
    """Which model answered; in red where it was not the one that was asked for."""
    asked = served.asked
    answered = " ".join(word for word in (served.model, served.service_tier, served.speed) if word)
    shown = fmt.one_line(answered)
    if not served_otherwise(asked, served.model, served.service_tier, served.speed):
        return ((shown, "plain"),)
    wanted = " ".join(word for word in (asked.model, asked.service_tier, asked.speed) if word)
    return (f"asked {fmt.one_line(wanted)} → ", "muted"), (f"served {shown}", "bad")


def _served(served: Serving) -> Iterator[Line]:
    yield (("Served", "title"),)
    line = serving(served)
    yield from [line] if len(line) == 1 else [(part,) for part in line]  # both names in a line of 44 have no room
    yield ()


def _who(request: Interception) -> Iterator[Line]:
    yield (("Request", "title"),)
    facts = {
        "id": request.id,
        "provider": request.started.provider,
        "upstream id": request.upstream_request_id,
        "session": request.started.session_id,
        "agent": request.started.agent_id,
        "class": request.started.request_class,
        "by": request.started.initiator,
        "user agent": request.started.user_agent,
        "after call": request.started.correlating_tool_call_id,
    }
    for name, value in facts.items():
        if value:
            yield (f"{name:<13} ", "muted"), (fmt.one_line(value), "plain")


def _fact(name: str, value: str, tone: Tone = "plain") -> Line:
    return (f"{name:<13} ", "muted"), (f"{value:>9}", tone)


def _flat(request: Interception, state: MonitorState, width: int) -> Iterator[Line]:
    counts = [*_counts(request), *((fmt.words(name), count) for name, count in _extra(request))]
    if counts:
        yield from _flowed([(name, f"{count:,}") for name, count in counts], width)
    else:
        yield (("tokens are not known yet" if request.live else "no tokens were reported", "muted"),)
    speed = tokens_per_second(request, state)
    facts = [
        ("cost", fmt.spent(request.tokens)),
        ("tokens/s", fmt.tokens(None if speed is None else round(speed))),
        ("first byte", fmt.duration(request.first_byte_ms)),
        ("first token", fmt.duration(state.first_token_ms(request))),
    ]
    yield from _flowed(facts, width)
    sizes = [fmt.UNKNOWN if count is None else f"{count:,} B " for count in (request.bytes_in, request.bytes_out)]
    yield (
        *(("request ", "muted"), (sizes[0], "plain"), proof(request.request_equal, request)),
        *(("  answer ", "muted"), (sizes[1], "plain"), proof(request.answer_equal, request)),
    )
    if request.served is not None:
        yield ("served ", "muted"), *serving(request.served)


def _flowed(facts: list[tuple[str, str]], width: int) -> Iterator[Line]:
    """Names with their values, as many on a line as there is room for."""
    line: list[Span] = []
    used = 0
    for name, value in facts:
        cells = cell_len(name) + 1 + cell_len(value)
        if line and used + cells > width:
            yield tuple(line)
            line, used = [], 0
        line += [(f"{name} ", "muted"), (f"{value}  ", "plain")]
        used += cells + 2
    yield tuple(line)
