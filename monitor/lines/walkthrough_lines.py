"""The words beside the picture: the current step in a sentence, and the row of all steps. Pure."""

from __future__ import annotations

from monitor.lines.span import Line, Span, Tone
from monitor.lines.walkthrough import WalkthroughStep
from monitor.lines.wrap import wrap

WIDEST = 84
"""Cells of a line that the eye still follows."""

EDGE = "▎ "


def explanation(
    steps: list[WalkthroughStep], current: int, room: tuple[int, int], head: str, *, auto: str = "", more: bool = False
) -> list[Line]:
    """The current step, for so many columns and rows. `head` names the request; `more` says that it still runs."""
    step, (width, height) = steps[current], room
    wide = max(20, min(width - 1, WIDEST))
    place = f"{current + 1} of {len(steps)}"
    lines: list[Line] = [((head[:wide], "muted"),), ()]
    heading: list[Span] = [(f"{place}  ", "muted"), (step.place.value, "strong")]
    if step.event:
        heading.append((f"  {step.event}", "title"))
    if auto:
        heading.append((f"  {auto}", "live"))
    lines.append(tuple(heading))
    lines += [((text, "plain"),) for text in wrap(step.text, wide)]
    if more:
        lines += [(("The request is still running: what comes next is not known yet.", "live"),)]
    if step.quote:
        lines.append(())
        quoted = [part for text in step.quote.strip().split("\n")[:height] for part in wrap(text, wide - len(EDGE))]
        left = max(1, height - len(lines))
        if len(quoted) > left:
            quoted = [*quoted[: left - 1], "…"]
        lines += [((EDGE, "thinking"), (text, "plain")) for text in quoted]
    return lines


def overview(steps: list[WalkthroughStep], current: int, height: int) -> list[Line]:
    """All steps, one a line, the current one in the middle where they don't all fit."""
    first = min(max(0, current - height // 2), max(0, len(steps) - height))
    lines: list[Line] = []
    for index, step in enumerate(steps[first : first + height], first):
        name = f"{step.place.value} {step.attempt}" if step.attempt else step.place.value
        what = step.event.partition(".")[0] if step.place.value == "reader" and step.event else ""
        tone: Tone = "strong" if index == current else "muted" if index < current else "faint"
        sign: Span = ("▶ ", "live") if index == current else ("✓ ", "faint") if index < current else ("  ", "faint")
        lines.append((sign, (f"{name} {what}".rstrip(), tone)))
    return lines
