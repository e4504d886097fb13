"""A large record, made straight in the database: what a year of busy agents leaves behind, the same for the same size.

Interception number `n` is known by its number: its id, and what it is in every column, follow from it. So a test can
say what a query must find, and `scripts/bench history` has something to search.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from bridge.events.times import format_time
from bridge.record.database import open_for_writing

LAST = datetime(2026, 11, 24, 12, tzinfo=UTC)
APART = timedelta(seconds=20)
"""Between two interceptions."""
CLIENTS = ("Codex", "Claude Code", "opencode", "Aider", "Unknown")
MODELS = ("gpt-5.2", "gpt-5.2-mini", "claude-opus-4-5", "claude-haiku-4-5")
OUTCOMES = ("completed",) * 17 + ("failed", "cancelled", "rejected")
SESSIONS_OF = 40
"""Interceptions in a session."""

TEXT = """
the cache empties over the weekend so the first run on monday reads the whole table and warms it for the rest look at
who calls parse_header before changing its signature then run the tests of the limits module again add an index on
account_id and closed_at since the query scans rows that nobody asked for in the last month"""
WORDS = TEXT.split()


def identity(n: int) -> str:
    """The id of interception number n."""
    return f"{(n * 2654435761) % 2**32:08x}-0000-4000-8000-{n:012x}"


def started(n: int, size: int) -> datetime:
    """When it began; number `size - 1` is the last."""
    return LAST - APART * (size - 1 - n)


def words(n: int, count: int) -> str:
    """So many words, different for each number."""
    return f"number {n:06d}: {_turned(n * 7 % len(WORDS), count)}"


@cache
def _turned(at: int, count: int) -> str:
    turned = WORDS[at:] + WORDS[:at]
    return " ".join((turned * (count // len(WORDS) + 1))[:count])


@cache
def stamp(n: int, size: int) -> str:
    """When it began, as the record has it."""
    return format_time(started(n, size))


def make_record(path: Path, size: int) -> None:
    """A record of that many interceptions, closed again."""
    database = open_for_writing(path)
    for pragma in ("synchronous = OFF", "foreign_keys = OFF", "cache_size = -200000"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("BEGIN")
    database.execute("INSERT INTO runs (pid, started_at, ended_at) VALUES (1, '', '')")
    for table, rows in _tables(size).items():
        _insert(database, table, rows)
    database.execute("COMMIT")
    database.close()
    stamp.cache_clear()


def _insert(database: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = ", ".join(f'"{name}"' for name in first)
    marks = ", ".join("?" * len(first))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # our own names
    database.execute(sql, tuple(first.values()))
    database.executemany(sql, (tuple(row.values()) for row in rows))


def _tables(size: int) -> dict[str, Iterator[dict[str, Any]]]:
    numbers = range(size)
    return {
        "interceptions": (_interception(n, size) for n in numbers),
        "attempts": (_attempt(n, size) for n in numbers),
        "prompts": (_prompt(n, size) for n in numbers if n % 4 == 0),
        "thoughts": (_thought(n, size) for n in numbers if n % 2 == 0),
        "tool_calls": (_tool_call(n, size) for n in numbers if n % 4),
        "token_usages": (_token_usage(n, size) for n in numbers),
    }


def _interception(n: int, size: int) -> dict[str, Any]:
    api = ("responses", "messages")[n % 2]
    return {
        "id": identity(n),
        "run": 1,
        "provider": ("openai", "anthropic")[n % 2],
        "api": api,
        "method": "POST",
        "path": f"/{('openai', 'anthropic')[n % 2]}/v1/{api}",
        "model": MODELS[n % len(MODELS)],
        "streaming": 1,
        "client": CLIENTS[n % len(CLIENTS)],
        "user_agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown",
        "session_id": f"session-{n // SESSIONS_OF}",
        "credential_kind": "centralized",
        "started_at": stamp(n, size),
        "upstream_request_id": f"req_{n:032x}",
        "ended_at": stamp(n, size),
        "outcome": OUTCOMES[n % len(OUTCOMES)],
        "status": 200,
        "attempts": 1,
        "duration_ms": 4000.0,
        "first_byte_ms": 400.0,
        "first_token_ms": 450.0,
        "bytes_out": 40_000,
    }


def _attempt(n: int, size: int) -> dict[str, Any]:
    at = stamp(n, size)
    return {"interception_id": identity(n), "attempt": 1, "key": "sk-c...0001", "started_at": at, "status": 200}


def _prompt(n: int, size: int) -> dict[str, Any]:
    at = stamp(n, size)
    return {"interception_id": identity(n), "response_id": f"resp_{n}", "text": words(n, 50), "at": at}


def _thought(n: int, size: int) -> dict[str, Any]:
    thought = {"index": 0, "source": "reasoning_summary", "text": words(n, 80)}
    return {"interception_id": identity(n), "response_id": f"resp_{n}", **thought, "at": stamp(n, size)}


def _tool_call(n: int, size: int) -> dict[str, Any]:
    call = {"tool_call_id": f"call_{n}", "tool": "exec_command", "injected": 0}
    arguments = f'{{"cmd":"{words(n, 20)}"}}'
    return {"interception_id": identity(n), **call, "arguments": arguments, "at": stamp(n, size)}


def _token_usage(n: int, size: int) -> dict[str, Any]:
    counts = {"input": 1000, "output": n % 100, "cache_read_input": 9000, "cache_write_input": 0, "extra": "{}"}
    return {"interception_id": identity(n), **counts, "cost_usd": 0.01, "at": stamp(n, size)}
