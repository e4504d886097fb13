"""A session's name as the commands print it: as the monitor shows it, `Codex 2 · test_due_date fails on Frid…`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from bridge.cli.paper import Paper, PrintedCell, PrintedName, cells, longest_start
from bridge.events.names import WORDS, Name, id_of, tail_of
from bridge.terminal_text import visible_start as visible

if TYPE_CHECKING:
    from bridge.events.entries import Interception
    from bridge.record.names import SessionNames


ROOMY = 180
"""Cells of a terminal from which on a name has first words in a table of requests, beside those that each asks."""


def session_of(request: dict[str, Any], names: SessionNames, on: Paper) -> PrintedCell:
    """What the session of a request of the record is called; of one without a session the client."""
    client, session_id = request["client"], request["session_id"] or ""
    name = names.called(client, session_id, request["id"])
    if name is None and not session_id:
        return visible(client)
    is_roomy = on.width is None or on.width >= ROOMY
    return full_name(name, client, session_id) if is_roomy else short_name(name, client, session_id)


def names_by_id(names: SessionNames) -> dict[str, str]:
    """What sessions are called, by their own ids; of two clients' sessions with one id, the first."""
    found: dict[str, str] = {}
    for id_, name in names.names.items():
        begins = id_of(name.client, "")
        if id_.startswith(begins):
            session_id = id_.removeprefix(begins)
            found.setdefault(session_id, full_name(name, name.client, session_id))
    return found


def full_name(name: Name | None, client: str, session_id: str) -> str:
    """Codex 2 · test_due_date fails on Frid…; of a session without a number `Codex · 3x7f`."""
    return (
        visible(client) + _tail(session_id)
        if name is None
        else f"{visible(name.client)} {name.number} · {_about(name)}"
    )


def short_name(name: Name | None, client: str, session_id: str) -> PrintedName:
    """Codex 2, or `Codex · 3x7f`; where it has to be cut, its end stays."""
    if name is None:
        return PrintedName(visible(client), _tail(session_id))
    return PrintedName(visible(name.client), f" {name.number}")


def _tail(session_id: str) -> str:
    return f" · {visible(tail_of(session_id))}"


def _about(name: Name) -> str:
    words = visible(name.words)
    return words if cells(words) <= WORDS else words[: longest_start(words, WORDS - 1)] + "…"


def snapshot_requests(interceptions: Iterable[Interception]) -> Iterator[dict[str, Any]]:
    """What `bridge.record.names` needs of a snapshot's requests to name their sessions."""
    for interception in interceptions:
        started = interception.started
        yield {
            "id": interception.id,
            "client": started.client,
            "session_id": started.session_id,
            "agent_id": started.agent_id,
            "correlating_tool_call_id": started.correlating_tool_call_id,
            "prompt": interception.prompt,
            "calls": [tool.tool_call_id for tool in interception.tools],
        }
