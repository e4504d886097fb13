"""The keys view's table: a line for each key, by provider, circuits that are not closed, and how MCP servers are.

In another order than the pool's, keys of all providers stand among each other, each with its provider's name; circuits
come before them then, and what is said of whole pools after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from attrs import frozen
from rich.cells import cell_len

from bridge.events.key_health import KeyName, PoolHealth
from bridge.events.values import ServerState
from bridge.events.vocabulary import CircuitChanged, KeyChanged, PoolChanged
from monitor.lines import format as fmt
from monitor.lines import key_looks as looks
from monitor.lines import key_row
from monitor.lines.span import Line, Span, Tone
from monitor.state.key_list import KeyList
from monitor.state.state import MonitorState

READINESS: dict[ServerState, tuple[str, Tone]] = {
    ServerState.READY: ("●", "good"),
    ServerState.STARTING: ("◐", "warn"),
    ServerState.FAILED: ("✗", "bad"),
}


@frozen
class Table:
    """The lines, and which of them belongs to which key."""

    lines: tuple[Line, ...]
    places: tuple[tuple[KeyName, range], ...]

    def place(self, name: KeyName | None) -> range:
        """A key's line; none where there is no such key."""
        return next((place for each, place in self.places if each == name), range(0))


def table(state: MonitorState, listing: KeyList, now: datetime, width: int, room: int = 0) -> Table:
    """What is listed, for that width; with blank lines between providers where `room` lines hold them too.

    The columns' titles stand in the first provider's line where a line of their own is too much.
    """
    page = key_row.sheet(state, now, width, with_provider=not listing.by_pool)
    circuits = sorted(
        state.picture.circuits.values(), key=lambda circuit: (circuit.provider, circuit.endpoint, circuit.model or "")
    )
    if listing.query.strip():
        circuits = [circuit for circuit in circuits if circuit.provider in listing.pools]
    heads: dict[str, Line] = {}
    for provider in sorted(listing.pools.keys() | {circuit.provider for circuit in circuits}):
        pool = [key for key in state.picture.keys.values() if key.provider == provider]
        heads[provider] = _provider(provider, pool, state.picture.pools.get(provider), now, width)
    parts = list(
        _by_pool(listing, page, heads, circuits, width)
        if listing.by_pool
        else _among_each_other(listing, page, heads, circuits, width)
    )
    servers = [] if listing.query.strip() else list(tool_servers(state, width))
    if servers:
        parts.append([(line, None) for line in servers])
    spaced = sum(map(len, parts)) + len(parts) <= room
    bare = bool(parts) and sum(map(len, parts)) == room and listing.by_pool
    rows: list[tuple[Line, KeyName | None]] = [] if bare else [(key_row.titles(page), None)]
    if bare:
        parts[0][0] = (_before(parts[0][0][0], key_row.titles(page)), None)
    for part in parts:
        rows += [((), None), *part] if spaced and len(rows) > 1 else part
    if listing.query.strip() and not listing.pools:
        rows.append(((("   no key matches", "muted"),), None))
    places = tuple((name, range(number, number + 1)) for number, (_line, name) in enumerate(rows) if name is not None)
    return Table(tuple(line for line, _name in rows), places)


KeyRows = list[tuple[Line, KeyName | None]]
"""Lines, each with the key that it is about."""


def _key_rows(keys: Iterable[KeyChanged], listing: KeyList, page: key_row.KeySheet) -> KeyRows:
    named = ((key, looks.key_place(key)) for key in keys)
    return [(key_row.row(key, page, marked=name in listing.marks), name) for key, name in named]


def _by_pool(
    listing: KeyList, page: key_row.KeySheet, heads: dict[str, Line], circuits: list[CircuitChanged], width: int
) -> Iterator[KeyRows]:
    for provider, head in heads.items():
        own = [(_circuit(circuit, width), None) for circuit in circuits if circuit.provider == provider]
        yield [(head, None), *_key_rows(listing.pools.get(provider, []), listing, page), *own]


def _among_each_other(
    listing: KeyList, page: key_row.KeySheet, heads: dict[str, Line], circuits: list[CircuitChanged], width: int
) -> Iterator[KeyRows]:
    broken: KeyRows = [(_circuit(circuit, width, named=True), None) for circuit in circuits]
    yield [*broken, *_key_rows(listing.keys, listing, page)]
    yield [(head, None) for head in heads.values()]


def _provider(name: str, keys: list[KeyChanged], told: PoolChanged | None, now: datetime, width: int) -> Line:
    """How many of its keys are ready, which one is next, which share limits, and how long all last; what there is no
    room for is left out from the end."""
    pool = PoolHealth.of(keys, now)
    parts: list[list[Span]] = [
        [(fmt.one_line(name), "strong"), (f"  {pool.ready} of {pool.total} ready", looks.pool_tone(pool))]
    ]
    if pool.next is not None and pool.next_at is not None and pool.ready < pool.total:
        tail = fmt.key_tail(pool.next.key)
        parts.append([("next ", "muted"), (looks.countdown(now, pool.next_at), "plain"), (f" {tail}", "muted")])
    if told is not None and told.groups:
        sizes = ", ".join(str(len(group)) for group in told.groups)
        parts.append([(f"{'group' if len(told.groups) == 1 else 'groups'} of {sizes}", "muted")])
    if told is not None and told.runway_until is not None and told.runway_until > now:
        mark = "" if told.confidence == "headers" else "~"
        parts.append([("pool lasts till ", "muted"), (f"{mark}{fmt.minute(told.runway_until, now)}", "plain")])
    return _joined(parts, width)


def _joined(parts: list[list[Span]], width: int) -> Line:
    """The parts with dots between them, as many as there is room for."""
    line: list[Span] = []
    for part in parts:
        more = [(" · ", "faint"), *part] if line else part
        if line and sum(len(text) for text, _tone in [*line, *more]) > width:
            break
        line += more
    return tuple(looks.fitted(line, width))


def _before(line: Line, titles: Line) -> Line:
    """A line with those titles behind it whose whole column it leaves free."""
    *begin, (end, tone) = line
    bare = (*begin, (end.rstrip(), tone))
    written = sum(cell_len(text) for text, _tone in bare)
    heads = "".join(text for text, _tone in titles)
    free = next((match.start() for match in re.finditer(r"(?<=  )\S", heads) if match.start() >= written + 2), None)
    if free is None:
        return line
    return (*looks.fitted(bare, free), (heads[free:], "title"))


def _circuit(circuit: CircuitChanged, width: int, *, named: bool = False) -> Line:
    where = f"{fmt.one_line(circuit.endpoint)} {fmt.one_line(circuit.model, default='')}".strip()
    where = f"{fmt.one_line(circuit.provider)} {where}" if named else where
    tone: Tone = "bad" if circuit.state == "open" else "warn"
    return tuple(
        looks.fitted([(" ⌁ ", tone), (f"circuit {fmt.words(circuit.state)}  ", tone), (where, "muted")], width)
    )


def tool_servers(state: MonitorState, width: int) -> Iterator[Line]:
    """MCP servers below all keys, a line each; nothing where there is none."""
    servers = sorted(state.picture.servers.values(), key=lambda server: server.server)
    if not servers:
        return
    ready = sum(server.state is ServerState.READY for server in servers)
    tone: Tone = "good" if ready == len(servers) else "warn" if ready else "bad"
    yield ("tools", "strong"), (f"  {ready} of {fmt.plural(len(servers), 'server')} ready", tone)
    for server in servers:
        glyph, tone = READINESS[server.state]
        about = server.error or (fmt.plural(server.tools, "tool") if server.state is ServerState.READY else "")
        named: list[Span] = [
            (f" {glyph} ", tone),
            (f"{fmt.fit(fmt.one_line(server.server), 11)}  ", "plain"),
            (f"{server.state.value:<8}  ", tone),
        ]
        yield (*named, *looks.fitted([(fmt.one_line(about, default=""), "muted")], max(10, width - 26)))
