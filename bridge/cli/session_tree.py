"""What `clearspan sessions` shows: each session with its agents, the main one first and others below who started them.

What they used is the record's; what they do just now, and their last words, are the running bridge's. Either will do
alone: without a bridge nobody does anything, and without a record the snapshot of the bridge is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

from bridge.cli.names import full_name
from bridge.cli.paper import Paper, PrintedColumn, table
from bridge.cli.tables import RecordRow, count, dollars, local_time
from bridge.events.entries import Interception, Tokens
from bridge.events.times import format_time
from bridge.events.values import cost_mark
from bridge.events.wire import Snapshot
from bridge.record.names import SessionNames
from bridge.terminal_text import visible_start as visible
from monitor.state.phase import phase

TOKENS = ("input", "output", "cache_read_input", "cache_write_input")
IDLE = "idle"
WORDS_WIDTH = 60
BOLD = re.compile(r"\*\*(\S(?:[^*\n]*\S)?)\*\*")
"""As models write headings of their thoughts."""
DEEPEST = 32
"""Agents above one another."""


def session_trees(recorded: dict[str, list[RecordRow]], snapshot: Snapshot | None) -> list[RecordRow]:
    """All sessions, the one that asked last first. `recorded` has the agents of each, as the record tells of them."""
    agents = {(session, row["agent_id"]): _of_record(row) for session, rows in recorded.items() for row in rows}
    seen: dict[tuple[str, str | None], list[Interception]] = {}
    for interception in snapshot.interceptions if snapshot else ():
        started = interception.started
        if started.session_id:
            seen.setdefault((started.session_id, started.agent_id), []).append(interception)
    for name, interceptions in seen.items():
        if name not in agents:
            agents[name] = _of_snapshot(interceptions)
        agents[name] |= _now(interceptions)
    sessions: dict[str, list[RecordRow]] = {}
    for (session, _), agent in agents.items():
        sessions.setdefault(session, []).append(agent)
    trees = [_session(session, rows) for session, rows in sessions.items()]
    return sorted(trees, key=itemgetter("last_at"), reverse=True)


def _of_record(row: RecordRow) -> RecordRow:
    agent = dict(row)
    outcome = agent.pop("outcome")
    return {**agent, "state": IDLE if outcome in {None, "completed"} else outcome}


def _of_snapshot(interceptions: list[Interception]) -> RecordRow:
    """An agent of which the record knows nothing, or nothing yet."""
    tokens, first, last = Tokens(), interceptions[0], interceptions[-1]
    for interception in interceptions:
        tokens.add(interception.tokens or Tokens())
    return {
        "agent_id": first.started.agent_id,
        "parent_agent_id": first.started.parent_agent_id,
        "agent_type": first.started.agent_type,
        "client": first.started.client,
        "requests": len(interceptions),
        "failed": sum(interception.outcome == "failed" for interception in interceptions),
        "started_at": format_time(first.started_at),
        "last_at": format_time(last.started_at),
        "tokens": {name: getattr(tokens, name) for name in TOKENS},
        "cost_usd": tokens.cost_usd,
        "unpriced": tokens.unpriced,
        "partial": tokens.partial,
        "key": None,
        "last_words": None,
    }


def _now(interceptions: list[Interception]) -> RecordRow:
    """What an agent does, by its latest requests."""
    live = [interception for interception in interceptions if interception.live]
    last = interceptions[-1]
    now: RecordRow = {"state": phase(live[-1] if live else last)}
    if now["state"] == "done":
        now["state"] = IDLE
    if last.attempts:
        now["key"] = last.attempts[-1].key
    if words := _words(last):
        now["last_words"] = words
    return now


def _words(interception: Interception) -> str | None:
    thoughts = [thought.text for thought in interception.thoughts if thought.text]
    calls = [tool.tool for tool in interception.tools]
    return interception.answer or next(iter([*calls[-1:], *thoughts[-1:]]), None) or interception.prompt


def _session(session: str, agents: list[RecordRow]) -> RecordRow:
    """A session as the sum of its agents."""
    latest = max(agents, key=itemgetter("last_at"))
    busy = [agent for agent in agents if agent["state"] not in {IDLE, "failed", "cancelled", "rejected", "error"}]
    costs = [agent["cost_usd"] for agent in agents if agent["cost_usd"] is not None]
    shown = max(busy, key=itemgetter("last_at")) if busy else latest
    return {
        "session_id": session,
        "client": latest["client"],
        "state": shown["state"],
        "requests": sum(agent["requests"] for agent in agents),
        "failed": sum(agent["failed"] for agent in agents),
        "started_at": min(agent["started_at"] for agent in agents),
        "last_at": latest["last_at"],
        "tokens": {name: sum(agent["tokens"][name] for agent in agents) for name in TOKENS},
        "cost_usd": sum(costs) if costs else None,
        "unpriced": sum(agent["unpriced"] for agent in agents),
        "partial": any(agent["partial"] for agent in agents),
        "key": shown["key"],
        "last_words": shown["last_words"],
        "agents": _tree(agents),
    }


def _tree(agents: list[RecordRow]) -> list[RecordRow]:
    """Each agent below the one that started it. Who names nobody that is known stands below the main agent."""
    agents = sorted(agents, key=lambda agent: (agent["agent_id"] is not None, agent["started_at"]))
    nodes = {agent["agent_id"]: {**agent, "agents": []} for agent in agents}
    top = []
    for name, node in nodes.items():
        parent = node["parent_agent_id"] if node["parent_agent_id"] in nodes else None
        if name is None or (parent is None and None not in nodes) or _is_below(name, parent, nodes):
            top.append(node)
        else:
            nodes[parent]["agents"].append(node)
    return top


def _is_below(name: str | None, parent: str | None, nodes: dict[str | None, Any]) -> bool:
    """Whether that parent is the agent itself or one below it, or very deep: nonsense, which agents may say."""
    known: set[str] = set()
    while parent is not None and parent not in known:
        if parent == name or len(known) == DEEPEST:
            return True
        known.add(parent)
        parent = nodes[parent]["parent_agent_id"] if parent in nodes else None
    return False


SESSIONS = (
    PrintedColumn("SESSION", least=20),
    PrintedColumn("ID", goes=8),
    PrintedColumn("STATE"),
    PrintedColumn("REQUESTS", right=True, goes=2),
    PrintedColumn("IN", right=True, goes=4),
    PrintedColumn("OUT", right=True, goes=3),
    PrintedColumn("COST", right=True),
    PrintedColumn("KEY", goes=6),
    PrintedColumn("LAST", goes=7),
    PrintedColumn("LAST WORDS", goes=1, least=16),
)
"""A name may lose its first words, and never its number; an id that is cut is of no use to anybody."""


def session_table(trees: Iterable[RecordRow], on: Paper, names: SessionNames) -> Iterator[str]:
    """Sessions, one a line, with their agents below where there are several."""
    rows: list[tuple[str, ...]] = []
    for tree in trees:
        client, session_id = tree["client"], tree["session_id"]
        rows.append(_row(full_name(names.called(client, session_id), client, session_id), session_id, tree))
        if tree["agents"][1:] or tree["agents"][0]["agents"]:
            rows += _agent_rows(tree["agents"], "")
    return table(SESSIONS, rows, on)


def _agent_rows(agents: list[RecordRow], indent: str) -> Iterator[tuple[str, ...]]:
    """An agent is called by its id, and by what it is for where its client says that."""
    for place, agent in enumerate(agents, 1):
        last = place == len(agents)
        branch, below = ("└ ", "  ") if last else ("├ ", "│ ")
        name = agent["agent_id"] or "main agent"
        kind = f" · {agent['agent_type']}" if agent["agent_type"] else ""
        yield _row(f"{indent}{branch}{name}{kind}", "", agent)
        yield from _agent_rows(agent["agents"], indent + below)


def _row(name: str, session_id: str, sums: RecordRow) -> tuple[str, ...]:
    tokens = sums["tokens"]
    words = " ".join(BOLD.sub(r"\1", sums["last_words"] or "").split())
    cells = (
        name,
        session_id,
        sums["state"],
        f"{sums['requests']:,}",
        count(tokens["input"] + tokens["cache_read_input"] + tokens["cache_write_input"]),
        count(tokens["output"]),
        dollars(sums["cost_usd"], cost_mark(sums["unpriced"], partial=sums["partial"])),
        sums["key"] or "-",
        local_time(sums["last_at"]),
        words if len(words) <= WORDS_WIDTH else words[: WORDS_WIDTH - 1] + "…",
    )
    return tuple(visible(cell) for cell in cells)
