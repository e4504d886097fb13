"""Repeated failures as one line: which an agent tried again after, and which the bridge did, with other keys.

Nothing was said in them, so one reads past them; what each was is there to be unfolded. The last failure stands whole
as long as nothing has come after it: that one may be what a person has to do something about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from attrs import define, evolve

from bridge.events.entries import Attempt, Interception
from bridge.events.values import Outcome
from monitor.lines import format as fmt
from monitor.lines.blocks import Block
from monitor.lines.request_story import SEPARATOR, attempt_line
from monitor.lines.span import Line, Span

REPEATED = 2
"""Failures from which on they are one line."""


@define
class Run:
    """Requests of one agent that follow each other; `repeated` ones came to nothing, and were tried again. `first` is
    the number of the first among its turns."""

    first: int
    requests: list[Interception]
    repeated: bool = False


def runs(requests: list[Interception], first: int = 1) -> list[Run]:
    """All of them in their order: each alone, but for those that were repeated in vain."""
    found: list[Run] = []
    for turn, request in enumerate(requests, first):
        last = found[-1] if found else None
        follows = turn + 1 - first < len(requests)
        vain = follows and _came_to_nothing(request)
        if last is not None and last.repeated and vain and not _asks_anew(request, last.requests):
            last.requests.append(request)
        else:
            found.append(Run(turn, [request], repeated=vain))
    for run in found:
        run.repeated = len(run.requests) >= REPEATED
    return found


def _came_to_nothing(request: Interception) -> bool:
    """Whether it failed, and nothing was said in it."""
    failed = request.outcome in (Outcome.FAILED, Outcome.REJECTED) or (request.status or 0) >= 400
    if request.live or not failed:
        return False
    return not (request.answer or request.tools or any(thought.text for thought in request.thoughts))


def _asks_anew(request: Interception, before: list[Interception]) -> bool:
    prompts = [each.prompt for each in before if each.prompt]
    return bool(request.prompt and prompts and request.prompt != prompts[-1])


def collapsed(run: Run, now: datetime) -> Block:
    """Requests that were repeated, as a line, and as one each once it is unfolded."""
    requests = run.requests
    begins, ends = (fmt.moment(each.started_at, now) for each in (requests[0], requests[-1]))
    line: list[Span] = [(f"↻ {len(requests)} retries", "warn")]
    line += [SEPARATOR, (_counted(_why(request) for request in requests), "bad")]
    line += [SEPARATOR, (f"turns {run.first} to {run.first + len(requests) - 1}", "muted")]
    line += [SEPARATOR, (f"{begins} to {ends}", "muted")]
    hidden = tuple(_retry(request, turn, now) for turn, request in enumerate(requests, run.first))
    return Block("retries", "warn", tuple(line), hidden=hidden, turns=len(requests))


def _retry(request: Interception, turn: int, now: datetime) -> Line:
    parts: list[Span] = [(fmt.moment(request.started_at, now), "plain"), (_why(request), "bad")]
    if len(request.attempts) > 1:
        parts.append((f"{len(request.attempts)} attempts", "muted"))
    parts.append((fmt.duration(request.duration_ms), "muted"))
    if request.error:
        parts.append((fmt.one_line(request.error), "muted"))
    line: list[Span] = [("✗ ", "bad"), (f"turn {turn}", "strong")]
    for part in parts:
        line += [SEPARATOR, part]
    return tuple(line)


def _why(request: Interception) -> str:
    """429 rate limited, or what else is known of a failure in a word or two."""
    failures = [attempt for attempt in request.attempts if attempt.failed]
    if failures:
        return _reason(failures[-1])
    status = f"{request.status} " if request.status else ""
    kind = request.error_type or request.outcome
    return f"{status}{fmt.words(kind)}" if kind else status


def _reason(attempt: Attempt) -> str:
    status = "" if attempt.status is None else f"{attempt.status} "
    return f"{status}{fmt.words(attempt.reason)}" if attempt.reason else status


def _counted(reasons: Iterable[str]) -> str:
    """529 overloaded (2), 429 rate limited: what came most often first."""
    counts = Counter(reasons)
    return ", ".join(f"{reason} ({count})" if count > 1 else reason for reason, count in counts.most_common())


def collapse_attempts(block: Block, request: Interception) -> Block:
    """The block of a request's attempts, those that failed as one line where they are several."""
    failures = [attempt for attempt in request.attempts if attempt.failed]
    if len(failures) < REPEATED:
        return block
    heading: Line = (
        (f"↻ {len(failures)} retries", "warn"),
        SEPARATOR,
        (_counted(_reason(attempt) for attempt in failures), "bad"),
    )
    failed = {attempt_line(attempt) for attempt in failures}
    shown = tuple(line for line in block.lines if line not in failed)
    return evolve(block, heading=heading, lines=shown, hidden=tuple(attempt_line(attempt) for attempt in failures))
