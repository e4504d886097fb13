"""The words beside the walkthrough's picture: the step in a sentence, why it is so, where the code is, the event as
JSON, and the row of all steps. Pure: steps become lines."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from attrs import frozen

from bridge.events.wire import Envelope, encode
from monitor.lines import format as fmt
from monitor.lines.blocks import EDGE
from monitor.lines.chapters import CHAPTERS
from monitor.lines.span import Line, Span, Tone
from monitor.lines.walkthrough_reasons import REASONS
from monitor.lines.walkthrough_scene import entry_of
from monitor.lines.walkthrough_step import WalkthroughStep
from monitor.lines.wrap import wrap
from monitor.state.trace import Trace

WIDEST_TEXT = 84
"""Cells of a line that the eye still follows."""

ROOM_FOR_JSON = 8
"""Lines that are left, from which on the event's JSON stands there unasked."""

UNTOLD = "No event says so: it follows from those before it and after."
BEFORE = "This monitor came after it, so it has not heard the event itself."


@frozen
class Caption:
    """What is said beside the steps. `head` names the request, `more` says what the person may wait for; with `json`,
    the event stands there as subscribers get it."""

    head: str
    auto: str = ""
    more: str = ""
    chapter: int | None = None
    json: bool = False


def explanation(
    steps: Sequence[WalkthroughStep], current: int, room: tuple[int, int], caption: Caption, trace: Trace | None = None
) -> list[Line]:
    """The current step, for so many columns and rows."""
    step, (width, height) = steps[current], room
    wide = max(20, min(width - 1, WIDEST_TEXT))
    lines = [*_head(caption, wide), _heading(steps, current, caption)]
    lines += [((text, "strong" if step.quiz else "plain"),) for text in wrap(step.text, wide)]
    if caption.json and not step.quiz:
        return [*lines, *_cut(_json(step, trace, wide), height - len(lines))]
    if not step.quiz:
        reason = REASONS[step.kind]
        why = wrap(f"Why: {reason.why}", wide)
        lines += [((text, "muted"),) for text in why]
        first, *others = wrap(f"Code: {reason.place}", wide)
        lines.append((("Code: ", "muted"), (first.removeprefix("Code: "), "title")))
        lines += [((text, "title"),) for text in others]
    if caption.more:
        lines += [((text, "live"),) for text in wrap(caption.more, wide)]
    if step.quote:
        lines += _quoted(step.quote, wide, height - len(lines))
    left = height - len(lines) - 1
    if _heard(step, trace) and not step.quiz and left >= ROOM_FOR_JSON:
        lines += [(), *_cut(_json(step, trace, wide), left)]
    return lines


def _heard(step: WalkthroughStep, trace: Trace | None) -> Envelope | None:
    """The step's event, where there is one and this monitor heard it."""
    entry = entry_of(step, trace) if step.event and trace is not None else None
    return None if entry is None or entry.event is None else Envelope(entry.seq, entry.at, entry.event)


def _head(caption: Caption, wide: int) -> list[Line]:
    if caption.chapter is None:
        return [((fmt.fit(caption.head, wide), "muted"),)]
    title = f"{caption.chapter} of {len(CHAPTERS)}  {CHAPTERS[caption.chapter - 1].title}"
    return [((title[:wide], "key"), (fmt.fit(f"  {caption.head}", max(0, wide - len(title))), "muted"))]


def _heading(steps: Sequence[WalkthroughStep], current: int, caption: Caption) -> Line:
    step = steps[current]
    if step.quiz:
        return (("Question" if step.key == "question" else "Answer", "title"),)
    count = sum(not each.quiz for each in steps)
    heading: list[Span] = [(f"step {current + 1} of {count}  ", "muted"), (step.place.value, "strong")]
    if step.event:
        heading.append((f"  {step.event}", "title"))
    if caption.auto:
        heading.append((f"  {caption.auto}", "live"))
    return tuple(heading)


def _quoted(quote: str, wide: int, left: int) -> list[Line]:
    quoted = [part for text in quote.strip().split("\n")[: max(0, left)] for part in wrap(text, wide - len(EDGE))]
    if len(quoted) > max(1, left):
        quoted = [*quoted[: max(0, left - 1)], "…"]
    return [((EDGE, "thinking"), (text, "plain")) for text in quoted]


def _cut(lines: list[Line], left: int) -> list[Line]:
    """As many of the lines as there is room for; what is left out says so."""
    if len(lines) <= max(1, left):
        return lines
    kept = max(0, left - 1)
    return [*lines[:kept], ((f"… {len(lines) - kept} more lines", "muted"),)]


def _json(step: WalkthroughStep, trace: Trace | None, wide: int) -> list[Line]:
    if not step.event:
        return [((text, "muted"),) for text in wrap(UNTOLD, wide)]
    heard = _heard(step, trace)
    if heard is None:
        return [((text, "muted"),) for text in wrap(BEFORE, wide)]
    text = orjson.dumps(orjson.loads(encode(heard)), option=orjson.OPT_INDENT_2).decode()
    return [((part, "answer"),) for row in text.split("\n") for part in wrap(row, wide)]


def overview(steps: Sequence[WalkthroughStep], current: int, height: int, chapter: int | None = None) -> list[Line]:
    """All steps, one a line, below their chapter where there are chapters; the current one in the middle where they
    don't all fit."""
    lines: list[Line] = []
    here = current
    if chapter is None:
        lines = [_row(step, index, current) for index, step in enumerate(steps)]
    else:
        for number, each in enumerate(CHAPTERS, 1):
            lines.append(((f"{number} {each.title}", "key" if number == chapter else "muted"),))
            if number == chapter:
                here = len(lines) + current
                lines += [(("  ", "plain"), *_row(step, index, current)) for index, step in enumerate(steps)]
    first = min(max(0, here - height // 2), max(0, len(lines) - height))
    return lines[first : first + height]


def _row(step: WalkthroughStep, index: int, current: int) -> Line:
    name = f"{step.place.value} {step.attempt}" if step.attempt else step.place.value
    what = step.event.partition(".")[0] if step.place.value == "reader" and step.event else ""
    if step.quiz:
        name, what = ("question" if step.key == "question" else "answer"), ""
    tone: Tone = "strong" if index == current else "muted" if index < current else "faint"
    sign: Span = ("▶ ", "live") if index == current else ("✓ ", "faint") if index < current else ("  ", "faint")
    if step.failed and index != current:
        sign, tone = ("✗ ", "bad"), "bad"
    return sign, (f"{name} {what}".rstrip(), tone)
