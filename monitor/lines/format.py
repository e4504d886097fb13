"""How values look on the screen: short, aligned, and harmless.

`neutralise` is the one gate that text from the bridge passes before it is painted. A terminal obeys control sequences
wherever they come from, and a model's output, a header or a key's label may hold any; here they become symbols that
can be seen and do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.cells import cell_len, split_graphemes

from bridge.events import times
from bridge.events.entries import Tokens
from bridge.terminal_text import symbols

LINE_LIMIT = 4096
"""Characters shown of one line; a longer one costs a terminal widget seconds and nobody reads it."""

UNKNOWN = "–"  # noqa: RUF001  an en dash is what a value that is not known yet looks like

clock = times.clock
"""Running times look the same in the bridge's own tables."""

BLOCKS = "▁▂▃▄▅▆▇"  # not the full one: lines of them would run into each other


def neutralise(text: str) -> str:
    """The text without anything a terminal would obey or hide: each such character becomes a visible symbol.

    Newline and tab stay, U+200C and U+200D too (emoji and several scripts need them). Lines are cut at `LINE_LIMIT`.
    Doing it twice changes nothing.
    """
    if len(text) > LINE_LIMIT:  # before the substitution too, so that a line of megabytes costs nothing
        text = "\n".join(map(_cut, text.split("\n")))
    text = symbols(text)
    return "\n".join(map(_cut, text.split("\n"))) if len(text) > LINE_LIMIT else text


def _cut(line: str) -> str:
    return line if len(line) <= LINE_LIMIT else line[: LINE_LIMIT - 1] + "…"


def one_line(text: str | None, default: str = UNKNOWN) -> str:
    """Text from the bridge for a place that has one line: harmless, without breaks."""
    return neutralise(text[:LINE_LIMIT]).replace("\n", " ¶ ").replace("\t", " ") if text else default


def words(term: str) -> str:
    """A term of the protocol as words: rate_limited becomes rate limited."""
    return one_line(term).replace("_", " ")


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded on one side, or cut with an ellipsis."""
    missing = width - cell_len(text)
    if missing < 0:
        text = crop(text, width - 1) + "…" if width > 0 else ""
        missing = width - cell_len(text)
    return " " * missing + text if right else text + " " * missing


def crop(text: str, width: int) -> str:
    """As much of the text as goes into `width` cells, never half a character."""
    return next(chop(text[: 64 + 8 * width], width), "") if width > 0 else ""


ZERO_WIDTH_JOINER = "\u200d"


def chop(text: str, width: int) -> Iterator[str]:
    """The text in parts of at most `width` cells (from 2 on), never half a character."""
    if text.isascii():
        for start in range(0, len(text), width):
            yield text[start : start + width]
        return
    begun, used = 0, 0
    joined = ZERO_WIDTH_JOINER in text
    for start, end, cells in split_graphemes(text)[0]:
        used = cell_len(text[begun:end]) if joined else used + cells  # a joiner may hide what follows it, or not
        if used > width:
            yield text[begun:start]
            begun, used = start, cell_len(text[start:end])
    yield text[begun:]


def duration(milliseconds: float | None) -> str:
    """At most six cells: 850ms, 1.2s, 48s, 3m07s, 2h05m, 3d04h."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 999.5:
        return f"{max(milliseconds, 0):.0f}ms"
    if milliseconds < 9_950:
        return f"{milliseconds / 1000:.1f}s"
    return clock(milliseconds / 1000)


def age(seconds: float) -> str:
    """How long ago, in one unit: 48s, 3m, 2h, 4d."""
    whole = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


DATED_S = 20 * 3600
"""Seconds from which on a time of day alone could be taken for another day's."""


def moment(when: datetime, now: datetime) -> str:
    """A time where the person is, with its date where it is far: 17:25:08, Mon 30 Nov 09:02."""
    there = when.astimezone(now.tzinfo)
    far = abs((when - now).total_seconds()) >= DATED_S
    return f"{there:%a %d %b %H:%M}" if far else f"{there:%H:%M:%S}"


def minute(when: datetime, now: datetime) -> str:
    """The same to the minute, for what is a rough time: 17:25, Mon 30 Nov 09:02."""
    text = moment(when, now)
    return text if abs((when - now).total_seconds()) >= DATED_S else text[:-3]


def key_tail(hint: str) -> str:
    """The end of a key's hint, by which one tells the keys of a provider apart: …QxV7."""
    return "…" + one_line(hint).rpartition("...")[2]


def tokens(count: int | None) -> str:
    """At most five cells: 0, 999, 1.0k, 12.3k, 123k, 1.2M."""
    if count is None:
        return UNKNOWN
    if count < 1_000:
        return str(count)
    amount = count / 1_000
    for unit in "kMG":
        if amount < 99.95:
            return f"{amount:.1f}{unit}"
        if amount < 999.5:
            return f"{amount:.0f}{unit}"
        amount /= 1_000
    return f"{amount:.0f}T"


COST = 7
"""Cells of a column of dollars."""


def cost(dollars: float | None, mark: str = "") -> str:
    """Dollars, with as many places as the size deserves: $0.0004, $0.12, $1,234; a mark before them takes a place."""
    if dollars is None:
        return UNKNOWN
    places = 4 - len(mark) if 0 < dollars < 0.01 else 2 if dollars < 100 else 2 - len(mark) if dollars < 1_000 else 0
    text = f"{mark}${dollars:,.{places}f}"
    return text if len(text) <= COST else text.replace(",", "")


def spent(tokens: Tokens | None) -> str:
    """What tokens cost: `≥` where a part of that is unknown, `~` where a part is an estimate."""
    return UNKNOWN if tokens is None else cost(tokens.cost_usd, tokens.cost_mark)


def size(octets: int) -> str:
    """Bytes for people: 12 B, 3.4 kB, 5.6 MB."""
    amount = float(octets)
    for unit in ("B", "kB", "MB"):
        if amount < 1_000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1_000
    return f"{amount:.1f} GB"


def plural(count: int, noun: str) -> str:
    """1 error, 2 errors."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def seconds_between(earlier: datetime, later: datetime) -> float:
    """Never negative: two clocks may disagree by a little."""
    return max(0.0, (later - earlier).total_seconds())


def bar(share: float, width: int) -> tuple[str, str]:
    """A bar of `width` cells that is full at 1 and runs down to 0: its full part and its empty part."""
    full = round(min(1.0, max(0.0, share)) * width)
    if share > 0 and full == 0 and width:
        full = 1
    return "━" * full, "─" * (width - full)


def sparkline(values: list[float], width: int) -> str:
    """The values as blocks, a cell each, the highest one full; with more values than cells, neighbours are summed."""
    if width <= 0:
        return ""
    per_cell = max(1, -(-len(values) // width))
    pad = -len(values) % per_cell
    padded = [0.0] * pad + values
    sums = [sum(padded[i : i + per_cell]) for i in range(0, len(padded), per_cell)]
    highest = max(sums, default=0.0)
    cells = [
        " " if highest <= 0 or value <= 0 else BLOCKS[round(value / highest * (len(BLOCKS) - 1))] for value in sums
    ]
    return "".join(cells).rjust(width)[-width:]
