"""The walkthrough's picture for terminals that are too narrow for boxes: each place a line, from the client down to the
provider and back. Pure: a scene becomes lines."""

from __future__ import annotations

from monitor.lines import format as fmt
from monitor.lines.span import Line, Span, Tone
from monitor.lines.walkthrough_scene import Scene
from monitor.lines.walkthrough_step import Place

BACKWARD = {Place.RELAY: "↑", Place.READER: "╰", Place.EVENTS: " "}


def ladder(width: int, shown: Scene) -> list[Line]:
    """The scene in at most `width` cells a line."""
    lines: list[Line] = []
    for place in Place:
        if place is Place.ATTEMPT:
            lines += [_return(shown, number) for number in range(shown.rows[1])]
        if place is not Place.TOOLS:
            lines.append(_rung(place, shown, width))
    return [_fitted(line, width) for line in lines]


def _rung(place: Place, shown: Scene, width: int) -> Line:
    here, gone = place is shown.step.place, place in shown.places
    tone: Tone = "strong" if here else "plain" if gone else "faint"
    sign: Span = ("▶ ", shown.step.tone) if here else (f"{BACKWARD.get(place, '↓')} ", "live" if gone else "faint")
    name: Span = (f"{place.value:<9}", tone)
    match place:
        case Place.CLIENT:
            return (" " if not here else "▶", shown.step.tone), (" ", tone), name, (shown.seen, shown.seen_tone)
        case Place.POOL:
            keys = _keys(shown, width - len(sign[0] + name[0]))
            return (sign, name, *keys) if shown.pool else (sign, name, (shown.ready, "muted"))
        case Place.ATTEMPT:
            under_way = f"{shown.attempt}  {shown.hint}" if shown.attempt and not shown.strikes else ""
            return sign, name, (under_way, "plain")
        case _:
            return sign, name


def _keys(shown: Scene, width: int) -> list[Span]:
    """The keys side by side, those that were tried before the others; how many there is no room for."""
    keys: list[Span] = []
    left = len(shown.pool) + shown.more_keys
    for key in sorted(shown.pool, key=lambda key: not key.tried):
        words = f"…{key.hint[-4:]} {key.note}  "
        room = width - (len(f"+{left}") if left > 1 else 0)
        if len(words) + 2 > room:
            break
        keys += [(f"{key.glyph} ", key.tone), (words, "plain")]
        width, left = width - len(words) - 2, left - 1
    return [*keys, (f"+{left}", "muted")] if left else keys


def _return(shown: Scene, number: int) -> Line:
    """What came back to the pool, with an arrow; an empty line for what is still to come."""
    if number >= len(shown.returns):
        return ()
    back = shown.returns[number]
    here = shown.step.place is Place.TOOLS and number + 1 == len(shown.returns)
    return (back.words[0], "strong" if here else back.tone), (" ─╯ pool", back.tone)


def _fitted(line: Line, width: int) -> Line:
    fitted: list[Span] = []
    for text, tone in line:
        if len(text) > width:
            return (*fitted, (fmt.fit(text, width), tone))
        fitted.append((text, tone))
        width -= len(text)
    return tuple(fitted)
