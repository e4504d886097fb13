"""The bridge as a picture of boxes and arrows, with the way that a request has gone so far, and the words
beside it: the current step in a sentence, the row of all steps. Pure: steps become lines.

client ──▶ guard ──▶ pool ──▶ attempt ──▶ upstream
  ╰──────────── relay ◀──────────────────────╯
                  ╰╌╌▶ reader ──▶ events ──▶ monitor, record, metrics
"""

from __future__ import annotations

from itertools import groupby, pairwise

from attrs import Factory, define, frozen

from monitor.lines.blocks import EDGE
from monitor.lines.span import Line, Span, Tone
from monitor.lines.walkthrough import Place, WalkthroughStep
from monitor.lines.wrap import wrap

HEIGHT = 10
NARROWEST = 74
WIDEST = 150

TOP, BACK, COPY = 1, 5, 8
"""The rows on which the three lines of the picture run."""

Cell = tuple[int, int]
Way = tuple[Cell, ...]

LABELS = {
    Place.CLIENT: "client",
    Place.GUARD: "guard",
    Place.POOL: "pool",
    Place.ATTEMPT: "attempt 1",
    Place.UPSTREAM: "upstream",
    Place.RELAY: "relay",
    Place.READER: "reader",
    Place.EVENTS: "events",
}

OUTWARD = (Place.CLIENT, Place.GUARD, Place.POOL, Place.ATTEMPT, Place.UPSTREAM)
HINT = 13
"""Characters of a key's hint that there is room for; it has eleven."""

WIDEST_TEXT = 84
"""Cells of a line that the eye still follows."""

SUBSCRIBERS = " monitor · record · metrics"


@frozen
class Box:
    """Where a place stands: its left edge, the row of its name, its width."""

    x: int
    y: int
    width: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.x + self.width

    @property
    def middle(self) -> int:
        """The column of its middle."""
        return self.x + self.width // 2


@frozen
class Plan:
    """Where everything stands in a picture of a certain width."""

    boxes: dict[Place, Box]
    ways: dict[tuple[Place, Place], Way]

    def way(self, start: Place, goal: Place) -> Way:
        """The cells between two places, in the order of going; none where no line joins them."""
        if (start, goal) in self.ways:
            return self.ways[start, goal]
        if start is Place.UPSTREAM and goal is Place.POOL:  # a key has failed, and the next one has its turn
            there = self.ways[Place.POOL, Place.ATTEMPT] + self.ways[Place.ATTEMPT, Place.UPSTREAM]
            return there[::-1]
        return ()


def plan(width: int) -> Plan:
    """A plan for that many columns."""
    width = min(max(width, NARROWEST), WIDEST)
    widths = [len(LABELS[place]) + 4 for place in OUTWARD]
    gap = (width - sum(widths)) // (len(OUTWARD) - 1)
    boxes, x = {}, 0
    for place, wide in zip(OUTWARD, widths, strict=True):
        boxes[place] = Box(x, TOP, wide)
        x += wide + gap
    left = boxes[Place.CLIENT].middle + 4 + (width - NARROWEST) // 4
    boxes[Place.RELAY] = Box(left, BACK, len(LABELS[Place.RELAY]) + 4)
    boxes[Place.READER] = Box(boxes[Place.RELAY].middle + 9, COPY, len(LABELS[Place.READER]) + 4)
    boxes[Place.EVENTS] = Box(boxes[Place.READER].right + max(3, gap - 2), COPY, len(LABELS[Place.EVENTS]) + 4)
    return Plan(boxes, _ways(boxes))


def _ways(boxes: dict[Place, Box]) -> dict[tuple[Place, Place], Way]:
    client, upstream = boxes[Place.CLIENT], boxes[Place.UPSTREAM]
    relay, reader, events = boxes[Place.RELAY], boxes[Place.READER], boxes[Place.EVENTS]
    ways = {
        (start, goal): tuple((x, TOP) for x in range(boxes[start].right, boxes[goal].x))
        for start, goal in pairwise(OUTWARD)
    }
    down = [(upstream.middle, y) for y in range(TOP + 2, BACK)]
    ways[Place.UPSTREAM, Place.RELAY] = (*down, *((x, BACK) for x in range(upstream.middle, relay.right - 1, -1)))
    up = [(client.middle, y) for y in range(BACK - 1, TOP + 1, -1)]
    ways[Place.RELAY, Place.CLIENT] = (*((x, BACK) for x in range(relay.x - 1, client.middle - 1, -1)), *up)
    copied = ((x, COPY) for x in range(relay.middle, reader.x))
    ways[Place.RELAY, Place.READER] = ((relay.middle, BACK + 2), *copied)
    ways[Place.READER, Place.EVENTS] = tuple((x, COPY) for x in range(reader.right, events.x))
    return ways


@define
class _Canvas:
    cells: dict[Cell, Span] = Factory(dict)

    def put(self, x: int, y: int, text: str, tone: Tone) -> None:
        for offset, character in enumerate(text):
            self.cells[x + offset, y] = character, tone

    def lines(self, width: int) -> list[Line]:
        rows = []
        for y in range(HEIGHT):
            row = [self.cells.get((x, y), (" ", "plain")) for x in range(width)]
            runs = groupby(row, key=lambda cell: cell[1])
            rows.append(tuple(("".join(character for character, _ in run), tone) for tone, run in runs))
        return rows


def draw(width: int, steps: list[WalkthroughStep], current: int, hop: float = 1.0) -> list[Line]:
    """The picture after `steps[current]`. `hop` is how far, from 0 to 1, the request has come from the step before."""
    there = plan(width)
    gone = [step.place for step in steps[: current + 1]]
    ways = [there.way(start, goal) for start, goal in pairwise(gone)]
    canvas = _Canvas()
    arrived = hop >= 1.0
    _draw_ways(canvas, there, {cell for way in ways[: None if arrived else -1] for cell in way}, set(gone))
    step = steps[current]
    tried = next((earlier for earlier in reversed(steps[: current + 1]) if earlier.attempt), step)
    for place, box in there.boxes.items():
        tone: Tone = "faint"
        if place in gone[: None if arrived else -1]:
            tone = "plain"
        if place is step.place and arrived:
            tone = step.tone
        label = f"attempt {tried.attempt}" if place is Place.ATTEMPT and tried.attempt else LABELS[place]
        _draw_box(canvas, box, label, tone, strong=place is step.place and arrived)
    if tried.hint:
        middle = there.boxes[Place.ATTEMPT].middle
        canvas.put(middle - len(tried.hint[:HINT]) // 2, TOP + 2, tried.hint[:HINT], "muted")
    if not arrived and ways and ways[-1]:
        x, y = ways[-1][min(int(hop * len(ways[-1])), len(ways[-1]) - 1)]
        canvas.put(x, y, "●", "live")
    return canvas.lines(there.boxes[Place.UPSTREAM].right)


def _draw_ways(canvas: _Canvas, there: Plan, lit: set[Cell], gone: set[Place]) -> None:
    for way in there.ways.values():
        for before, (x, y), after in zip((None, *way), way, (*way[1:], None), strict=False):
            tone: Tone = "live" if (x, y) in lit else "faint"
            canvas.put(x, y, _stroke(before, (x, y), after), tone)
    relay, events = there.boxes[Place.RELAY], there.boxes[Place.EVENTS]
    canvas.put(relay.middle + 2, COPY - 1, "copy", "muted" if Place.READER in gone else "faint")
    canvas.put(events.right, COPY, "─▶", "live" if Place.EVENTS in gone else "faint")
    canvas.put(events.right + 2, COPY, SUBSCRIBERS, "plain" if Place.EVENTS in gone else "faint")


def _stroke(before: Cell | None, here: Cell, after: Cell | None) -> str:
    """The piece of a line on one cell: straight, a corner, or the arrow's head at its end."""
    if after is None:
        if before is None or before[1] == here[1]:
            return "▶" if before is None or before[0] < here[0] else "◀"
        return "▲"
    if before is None or before[0] == here[0] == after[0] or before[1] == here[1] == after[1]:
        return "│" if here[0] == after[0] else "─"
    to_the_left = min(before[0], after[0]) < here[0]
    return "╯" if to_the_left else "╰"


def _draw_box(canvas: _Canvas, box: Box, label: str, tone: Tone, *, strong: bool) -> None:
    corners = "╔═╗║╚╝" if strong else "╭─╮│╰╯"
    edge = corners[1] * (box.width - 2)
    canvas.put(box.x, box.y - 1, corners[0] + edge + corners[2], tone)
    canvas.put(box.x, box.y, corners[3], tone)
    canvas.put(box.x + 1, box.y, label.center(box.width - 2), "strong" if strong else tone)
    canvas.put(box.right - 1, box.y, corners[3], tone)
    canvas.put(box.x, box.y + 1, corners[4] + edge + corners[5], tone)


def explanation(
    steps: list[WalkthroughStep], current: int, room: tuple[int, int], head: str, *, auto: str = "", more: bool = False
) -> list[Line]:
    """The current step, for so many columns and rows. `head` names the request; `more` says that it still runs."""
    step, (width, height) = steps[current], room
    wide = max(20, min(width - 1, WIDEST_TEXT))
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
