"""What sessions are called, as a monitor would name them that comes to the running bridge now.

The rule is in `bridge.events.names`. A monitor begins with the bridge's snapshot; where nobody has that, the record
tells what it would hold: the last requests of the bridge that runs, or ran last. Of the last day SQLite finds the
request of each session that was probably the first; only where that has no prompt are all of a session looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import nlargest
from operator import itemgetter
from typing import Any

import orjson
from attrs import Factory

from bridge.events.names import (
    MOST,
    PAGE,
    PROMPT,
    SPAN,
    Name,
    SessionIds,
    first_asked,
    id_of,
    name_the_day,
    number_sessions,
    tail_of,
    words_of,
)
from bridge.events.times import format_time
from bridge.limits import LIMITS
from bridge.value_classes import define, frozen

Fields = dict[str, Any]
RowsOfSessions = dict[str, list[sqlite3.Row]]

BRIDGE = "SELECT run, started_at FROM runs ORDER BY ended_at IS NULL DESC, run DESC LIMIT 1"
"""The bridge that runs; where none does, the last that ran."""

LATEST = """
    SELECT id, client, session_id, agent_id, correlating_tool_call_id, ended_at, outcome FROM interceptions
    WHERE run = :run AND started_at >= :began ORDER BY started_at DESC, rowid DESC LIMIT :latest
"""

LOOKED_AT = 2 * LIMITS.ended
"""Requests among which those of a snapshot are looked for: it holds the last to end, these are the last to begin."""

SINCE = "SELECT count(*) FROM (SELECT 1 FROM interceptions WHERE started_at >= :horizon LIMIT :most)"

LAST_READ = "SELECT started_at, rowid FROM interceptions ORDER BY started_at DESC, rowid DESC LIMIT 1 OFFSET :later"

_ORDER = "i.started_at || (1000000000000 + i.rowid)"
_IN_DAY = "(i.started_at, i.rowid) >= (:at, :place) AND i.session_id != '' AND i.outcome IS NOT NULL"
_OF_DAY = "SELECT i.client, i.session_id, i.id, i.agent_id, i.started_at"
_OF_SESSIONS = f"{_IN_DAY} AND i.session_id IN (SELECT value FROM json_each(:ids))"  # noqa: S608  # our own text

FIRST = f"""
    {_OF_DAY}, min((i.agent_id IS NOT NULL) || {_ORDER})
    FROM interceptions AS i WHERE {_IN_DAY} GROUP BY i.client, i.session_id
"""
"""Of each session the first request of its main agent, or else its first. Here and below the columns are those of the
row that has the least, or the most (https://www.sqlite.org/lang_select.html#bareagg)."""

FIRST_WITH_PROMPT = f"""
    {_OF_DAY}, min({_ORDER})
    FROM interceptions AS i JOIN prompts AS p ON p.interception_id = i.id AND p.text != ''
    WHERE {_OF_SESSIONS} GROUP BY i.client, i.session_id, i.agent_id IS NULL
"""
"""Of each of these sessions the first that has a prompt, of its main agent and of the others."""

NEWEST = f"{_OF_DAY}, max({_ORDER}) FROM interceptions AS i WHERE {_OF_SESSIONS} GROUP BY i.client, i.session_id"

PROMPTS = """
    SELECT interception_id, substr(text, 1, :characters) FROM prompts
    WHERE interception_id IN (SELECT value FROM json_each(:ids)) AND text IS NOT NULL ORDER BY rowid
"""

CALLS = """
    SELECT interception_id, tool_call_id FROM tool_calls
    WHERE interception_id IN (SELECT value FROM json_each(:ids)) AND tool_call_id IS NOT NULL ORDER BY rowid
"""


@frozen
class RecordedSession:
    """A session as far as its name needs it: see `bridge.events.names.NamedSession`."""

    id: str
    client: str
    tail: str
    words: str

    def first_words(self) -> str:
        """What it was asked first."""
        return self.words


@define
class SessionNames:
    """The names of sessions, by their ids, and the sessions of requests that no session id is known of."""

    names: dict[str, Name] = Factory(dict)
    _answering: dict[str, str] = Factory(dict)
    """The sessions, by their ids, of requests that answer a tool call of theirs."""
    _has_snapshot: bool = False

    def called(self, client: str, session_id: str | None, request: str | None = None) -> Name | None:
        """What the session of that client and id is called; of a request without one, the session whose tool call it
        answers. None where that has no number, or is none."""
        if session_id:
            return self.names.get(id_of(client, session_id))
        return self.names.get(self._answering.get(request or "", ""))

    def take_snapshot(self, requests: Iterable[Fields]) -> None:
        """Names the sessions of what a snapshot holds, in its order: of each request its `id`, `client`, `session_id`,
        `agent_id`, `correlating_tool_call_id`, `prompt`, and the ids of its `calls`."""
        self._has_snapshot = True
        ids = SessionIds()
        found: dict[str, list[Fields]] = {}
        for request in requests:
            client, answered = request["client"], request["correlating_tool_call_id"]
            session = ids.of(request["id"], client, request["session_id"], answered)
            found.setdefault(session, []).append(request)
            for call in request["calls"]:
                ids.note_call(client, call, session)
        for session, of_session in found.items():
            if of_session[0]["session_id"]:
                self._answering.update({each["id"]: session for each in of_session if not each["session_id"]})
        number_sessions([_session_of(session, of_session) for session, of_session in found.items()], self.names)

    def take_record(self, database: sqlite3.Connection, now: datetime) -> None:
        """Names the sessions of the day before `now`; where no snapshot was to be had, first those it would show."""
        if not self._has_snapshot:
            self.take_snapshot(_as_in_a_snapshot(database))
        name_the_day(_asked_in_the_day(database, format_time(now - SPAN)), self.names)


def _session_of(session: str, requests: Sequence[Fields]) -> RecordedSession:
    first = first_asked(requests, _is_main, lambda request: request["prompt"])
    tail = tail_of(requests[0]["session_id"] or requests[0]["id"])
    return RecordedSession(session, requests[0]["client"], tail, words_of(first["prompt"] if first else None))


def _as_in_a_snapshot(database: sqlite3.Connection) -> list[Fields]:
    """What the bridge that runs, or ran last, shows of its requests: those that run, and of the others the last to end;
    in the order in which they began."""
    bridge = database.execute(BRIDGE).fetchone()
    if bridge is None:
        return []
    values = {"run": bridge["run"], "began": bridge["started_at"], "latest": LOOKED_AT}
    latest = database.execute(LATEST, values).fetchall()
    over = nlargest(LIMITS.ended, (row for row in latest if row["outcome"] is not None), key=itemgetter("ended_at"))
    kept = {row["id"] for row in over}
    shown = [row for row in reversed(latest) if row["outcome"] is None or row["id"] in kept]
    ids = [row["id"] for row in shown]
    prompts, calls = _prompts(database, ids), dict[str, list[str]]()
    if any(row["correlating_tool_call_id"] and not row["session_id"] for row in shown):
        for request, call in database.execute(CALLS, {"ids": _json(ids)}):
            calls.setdefault(request, []).append(call)
    return [{**dict(row), "prompt": prompts.get(row["id"]), "calls": calls.get(row["id"], ())} for row in shown]


def _asked_in_the_day(database: sqlite3.Connection, horizon: str) -> list[RecordedSession]:
    """The sessions of requests that are over, as far back as a monitor reads where the day began at that time.

    They are in the order in which the requests came that say what each was asked; of one of which none says that, its
    newest counts.
    """
    day = _day(database, horizon)
    found = _by_session(database.execute(FIRST, day))
    prompts = _prompts(database, [row["id"] for [row] in found.values()])
    if unasked := {session for session, [row] in found.items() if not prompts.get(row["id"])}:
        asked = _of_these(database, FIRST_WITH_PROMPT, day, {session: found[session] for session in unasked})
        prompts |= _prompts(database, [row["id"] for rows in asked.values() for row in rows])
        never = {session: found[session] for session in unasked - asked.keys()}
        found |= asked | _of_these(database, NEWEST, day, never)
    chosen = {
        session: first_asked(rows, _is_main, lambda row: prompts.get(row["id"])) or rows[-1]
        for session, rows in found.items()
    }
    return [
        RecordedSession(session, row["client"], tail_of(row["session_id"]), words_of(prompts.get(row["id"])))
        for session, row in sorted(chosen.items(), key=lambda pair: pair[1]["started_at"])
    ]


def _day(database: sqlite3.Connection, horizon: str) -> Fields:
    """The place of the request with which a monitor's reading ends: that of the last in its last page."""
    later = database.execute(SINCE, {"horizon": horizon, "most": MOST}).fetchone()[0]
    read = min((later // PAGE + 1) * PAGE, MOST)
    last = database.execute(LAST_READ, {"later": read - 1}).fetchone()
    return {"at": "", "place": 0} if last is None else {"at": last["started_at"], "place": last["rowid"]}


def _by_session(rows: Iterable[sqlite3.Row]) -> RowsOfSessions:
    """Rows by the ids of their sessions; in each in the order in which they came."""
    found: RowsOfSessions = {}
    for row in rows:
        found.setdefault(id_of(row["client"], row["session_id"]), []).append(row)
    for of_session in found.values():
        of_session.sort(key=itemgetter("started_at"))
    return found


def _of_these(database: sqlite3.Connection, sql: str, day: Fields, known: RowsOfSessions) -> RowsOfSessions:
    """What a query finds of some sessions; two clients may give theirs the same id."""
    ids = {rows[0]["session_id"] for rows in known.values()}
    found = _by_session(database.execute(sql, {**day, "ids": _json(list(ids))})) if ids else {}
    return {session: rows for session, rows in found.items() if session in known}


def _prompts(database: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    """The beginnings of these requests' prompts, where they are recorded."""
    wanted = list(ids)
    return dict(database.execute(PROMPTS, {"ids": _json(wanted), "characters": PROMPT})) if wanted else {}


def _json(ids: list[str]) -> str:
    return orjson.dumps(ids).decode()


def _is_main(request: Fields | sqlite3.Row) -> bool:
    return request["agent_id"] is None
