"""The bridge as a picture of boxes and arrows, with the way a request has gone so far. Pure: a scene becomes lines.

client ──▶ guard ──▶ pool ──▶ attempt ──▶ upstream
  ▲                   ▲ ◀── ✗ a failed attempt ─╯ │
  ╰──────── relay ◀───────────────────────────────╯
              ╰╌╌▶ reader ──▶ events ──▶ monitor, record, metrics
"""

from __future__ import annotations

from itertools import groupby, pairwise

from attrs import Factory, define, frozen

from monitor.lines import format as fmt
from monitor.lines.span import Line, Span, Tone
from monitor.lines.walkthrough_scene import Return, Scene
from monitor.lines.walkthrough_step import Place

NARROWEST = 74
WIDEST = 150
ROOMY = 96
"""From so many columns on, what is in a box has a space around it."""

TOP = 1
"""The row on which the request goes out."""

RETURN = 4
"""The row of what came back to the pool first: the one below the upstream's box."""

OUTWARD = (Place.CLIENT, Place.GUARD, Place.POOL, Place.ATTEMPT, Place.UPSTREAM)
INNER = {Place.CLIENT: 16, Place.GUARD: 5, Place.POOL: 20, Place.ATTEMPT: 11, Place.UPSTREAM: 8, Place.RELAY: 5}
"""Cells that a box has room for."""

HINT = 11
SUBSCRIBERS = " monitor · record · metrics"

Cell = tuple[int, int]
Way = tuple[Cell, ...]


@frozen
class Box:
    """Where a place stands: its left edge and the row of its name, its width, how many rows it has inside."""

    x: int
    y: int
    width: int
    rows: int = 1

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.x + self.width

    @property
    def middle(self) -> int:
        """The column of its middle."""
        return self.x + self.width // 2

    @property
    def bottom(self) -> int:
        """The row of its lower edge."""
        return self.y + self.rows


@frozen
class Plan:
    """Where everything stands in a picture of a certain width, for so many keys and returns."""

    boxes: dict[Place, Box]
    ways: dict[tuple[Place, Place], Way]
    returns: tuple[Way, ...]
    """The way back to the pool of each that came back."""
    height: int

    def way(self, start: Place, goal: Place, returned: int = 0) -> Way:
        """The cells between two places, in the order of going; none where no line joins them. `returned` says how many
        have come back to the pool, with this one."""
        if start in {Place.UPSTREAM, Place.TOOLS} and goal is Place.POOL and 0 < returned <= len(self.returns):
            return self.returns[returned - 1]
        return self.ways.get((start, goal), ())


def plan(width: int, keys: int, returns: int) -> Plan:
    """A plan for that many columns."""
    width = min(max(width, NARROWEST), WIDEST)
    room = 4 if width >= ROOMY else 2
    rows = {Place.CLIENT: 2, Place.POOL: max(1 + keys, 3 + returns), Place.ATTEMPT: 2, Place.UPSTREAM: 2}
    gap = (width - sum(INNER[place] + room for place in OUTWARD)) // (len(OUTWARD) - 1)
    boxes, x = {}, 0
    for place in OUTWARD:
        boxes[place] = Box(x, TOP, INNER[place] + room, rows.get(place, 1))
        x += boxes[place].width + gap
    back = boxes[Place.POOL].bottom + 2
    boxes[Place.RELAY] = Box(boxes[Place.CLIENT].middle + 6, back, INNER[Place.RELAY] + room)
    left = boxes[Place.RELAY].middle + 8
    boxes[Place.READER] = Box(left, back + 2, len(Place.READER) + 2)
    boxes[Place.EVENTS] = Box(boxes[Place.READER].right + 3, back + 2, len(Place.EVENTS) + 2)
    return Plan(boxes, _ways(boxes), _ways_back(boxes, returns), back + 3)


def _ways(boxes: dict[Place, Box]) -> dict[tuple[Place, Place], Way]:
    client, relay = boxes[Place.CLIENT], boxes[Place.RELAY]
    reader, events = boxes[Place.READER], boxes[Place.EVENTS]
    down = boxes[Place.UPSTREAM].right - 3
    ways = {
        (start, goal): tuple((x, TOP) for x in range(boxes[start].right, boxes[goal].x))
        for start, goal in pairwise(OUTWARD)
    }
    sunk = [(down, y) for y in range(boxes[Place.UPSTREAM].bottom + 1, relay.y)]
    ways[Place.UPSTREAM, Place.RELAY] = (*sunk, *((x, relay.y) for x in range(down, relay.right - 1, -1)))
    up = [(client.middle, y) for y in range(relay.y - 1, client.bottom, -1)]
    ways[Place.RELAY, Place.CLIENT] = (*((x, relay.y) for x in range(relay.x - 1, client.middle - 1, -1)), *up)
    ways[Place.RELAY, Place.READER] = tuple((x, reader.y) for x in range(relay.middle, reader.x))
    ways[Place.READER, Place.EVENTS] = tuple((x, reader.y) for x in range(reader.right, events.x))
    return ways


def _ways_back(boxes: dict[Place, Box], returns: int) -> tuple[Way, ...]:
    start, goal = boxes[Place.UPSTREAM].x + 2, boxes[Place.POOL].right
    return tuple(
        (
            *((start, y) for y in range(RETURN - 1, RETURN + number)),
            *((x, RETURN + number) for x in range(start, goal - 1, -1)),
        )
        for number in range(returns)
    )


@define
class _Canvas:
    cells: dict[Cell, Span] = Factory(dict)

    def put(self, x: int, y: int, text: str, tone: Tone) -> None:
        for offset, character in enumerate(text):
            self.cells[x + offset, y] = character, tone

    def lines(self, width: int, height: int) -> list[Line]:
        rows = []
        for y in range(height):
            row = [self.cells.get((x, y), (" ", "plain")) for x in range(width)]
            runs = groupby(row, key=lambda cell: cell[1])
            rows.append(tuple(("".join(character for character, _ in run), tone) for tone, run in runs))
        return rows


def draw(width: int, shown: Scene, hop: float = 1.0) -> list[Line]:
    """The picture of a scene. `hop` is how far, from 0 to 1, the request has come from the step before."""
    there = plan(width, *shown.rows)
    arrived = hop >= 1.0
    ways = _gone(there, shown)
    canvas = _Canvas()
    _draw_ways(canvas, there, {cell for way in ways[: None if arrived else -1] for cell in way}, shown)
    for number, each in enumerate(shown.returns):
        last = number + 1 == len(shown.returns)
        _draw_return(canvas, there.returns[number], each, strong=last and shown.step.place is Place.TOOLS)
        if not last:
            canvas.put(*there.returns[number + 1][number + 1], "┤", each.tone)
    for place, box in there.boxes.items():
        _draw_place(canvas, place, box, shown, arrived=arrived)
    if not arrived and ways and ways[-1]:
        x, y = ways[-1][min(int(hop * len(ways[-1])), len(ways[-1]) - 1)]
        canvas.put(x, y, "●", "live")
    return canvas.lines(there.boxes[Place.UPSTREAM].right, there.height)


def _gone(there: Plan, shown: Scene) -> list[Way]:
    """The ways between the places where the request has been."""
    pairs = zip(pairwise(shown.places), shown.returned, strict=False)
    return [there.way(start, goal, returned) for (start, goal), returned in pairs]


def _draw_ways(canvas: _Canvas, there: Plan, lit: set[Cell], shown: Scene) -> None:
    for way in there.ways.values():
        for before, (x, y), after in zip((None, *way), way, (*way[1:], None), strict=False):
            tone: Tone = "live" if (x, y) in lit else "faint"
            canvas.put(x, y, _stroke(before, (x, y), after), tone)
    relay, events = there.boxes[Place.RELAY], there.boxes[Place.EVENTS]
    read = Place.READER in shown.places
    canvas.put(relay.middle, events.y, "╰", "live" if read else "faint")
    canvas.put(relay.middle + 2, events.y, "copy", "muted" if read else "faint")
    told = Place.EVENTS in shown.places
    canvas.put(events.right, events.y, "─▶", "live" if told else "faint")
    canvas.put(events.right + 2, events.y, SUBSCRIBERS, "plain" if told else "faint")


def _draw_return(canvas: _Canvas, way: Way, back: Return, *, strong: bool) -> None:
    """What came back to the pool, in its words, on its way: a failed attempt crossed and red."""
    for before, (x, y), after in zip((None, *way), way, (*way[1:], None), strict=False):
        if (x, y) not in canvas.cells:
            canvas.put(x, y, _stroke(before, (x, y), after), back.tone)
    x, y = way[-1]
    room = way[0][0] - x - 3
    text = next((words for words in back.words if len(words) <= room), fmt.fit(back.words[-1], room))
    canvas.put(x + 1, y, f" {text} ", "strong" if strong else back.tone)


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


def _draw_place(canvas: _Canvas, place: Place, box: Box, shown: Scene, *, arrived: bool) -> None:
    here = place is shown.step.place and arrived
    tone: Tone = "plain" if place in shown.places[: None if arrived else -1] else "faint"
    if place is Place.ATTEMPT and shown.strikes:
        tone = "bad"
    if here:
        tone = shown.step.tone
    if place in (Place.READER, Place.EVENTS):
        edges = "║║" if here else "  "
        canvas.put(box.x, box.y, f"{edges[0]}{place}{edges[1]}", "strong" if here else tone)
        return
    _draw_box(canvas, box, tone, strong=here)
    left, inner = box.x + 1 + (box.width - INNER[place] - 2) // 2, INNER[place]
    for row, spans in enumerate(_inside(place, shown, "strong" if here else tone)):
        x = left
        if place is not Place.POOL and spans:
            x += (inner - sum(len(text) for text, _ in spans)) // 2
        for text, toned in spans:
            canvas.put(x, box.y + row, text, toned)
            x += len(text)


def _inside(place: Place, shown: Scene, tone: Tone) -> list[Line]:
    """What stands in a place's box, row by row."""
    match place:
        case Place.CLIENT:
            return [(("client", tone),), ((shown.seen[: INNER[place]], shown.seen_tone),)]
        case Place.POOL:
            return [_pool_head(shown, tone), *pool_rows(shown)]
        case Place.ATTEMPT:
            number = f" {shown.attempt}" if shown.attempt else ""
            return [((f"attempt{number}", tone),), ((shown.hint[:HINT], "bad" if shown.strikes else "muted"),)]
        case _:
            return [((place.value, tone),)]


def _pool_head(shown: Scene, tone: Tone) -> Line:
    return ("pool", tone), (fmt.fit(shown.ready, INNER[Place.POOL] - 4, right=True), "muted")


def pool_rows(shown: Scene) -> list[Line]:
    """The pool's keys, a row each."""
    rows: list[Line] = [
        (
            (f"{key.glyph} ", key.tone),
            (fmt.fit(key.hint, HINT), "strong" if key.hint == shown.hint else "plain"),
            (fmt.fit(key.note, 7, right=True), key.tone if key.note != "ready" else "muted"),
        )
        for key in shown.pool
    ]
    if shown.more_keys:
        rows.append(((f"+{shown.more_keys} more", "muted"),))
    return rows


def _draw_box(canvas: _Canvas, box: Box, tone: Tone, *, strong: bool) -> None:
    corners = "╔═╗║╚╝" if strong else "╭─╮│╰╯"
    edge = corners[1] * (box.width - 2)
    canvas.put(box.x, box.y - 1, corners[0] + edge + corners[2], tone)
    for row in range(box.rows):
        canvas.put(box.x, box.y + row, corners[3], tone)
        canvas.put(box.right - 1, box.y + row, corners[3], tone)
    canvas.put(box.x, box.bottom, corners[4] + edge + corners[5], tone)
