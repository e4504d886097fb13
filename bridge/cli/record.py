"""The commands that read the record: `history`, `show`, `export`, `stats`, `sessions`. They need no running bridge."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.ending import say
from bridge.cli.options import common_options, record_from, settings_from, socket_from

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

OUTCOMES = ("completed", "failed", "cancelled", "rejected")
GROUPS = ("day", "model", "client", "session", "served", "key")


class SinceTime(click.ParamType["datetime"]):
    """A time in the past, as `bridge.record.history.since_when` reads it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Reads the option's text."""
        from datetime import UTC, datetime

        from bridge.record.history import since_when

        try:
            return since_when(str(value), datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


SINCE = click.option("--since", type=SinceTime(), help='Only later ones: "90m", "7d", "2026-11-24" or a full time.')
UNTIL = click.option("--until", type=SinceTime(), help="Only those before that time, written in the same way.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.command()
@common_options
@SINCE
@click.option("--model", help="Only this model.")
@click.option("--client", help="Only this client, such as Codex.")
@click.option("--session", help="Only this session.")
@click.option("--provider", help="Only this provider.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only those that ended so.")
@click.option("--text", help="Only those with this text in a prompt, a thought or a tool call.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@JSON
@click.pass_context
def history(context: click.Context, /, as_json: bool, **filters: Any) -> None:
    """Past interceptions, newest first."""
    from datetime import UTC, datetime

    from bridge.cli.names import session_of
    from bridge.cli.paper import paper
    from bridge.cli.tables import interception_table
    from bridge.record.export import json_lines
    from bridge.record.history import Filter, interceptions
    from bridge.record.names import SessionNames

    now, called = datetime.now(UTC), SessionNames()
    names = ("since", "model", "client", "session", "provider", "outcome", "text", "limit")
    with _record(context) as database:
        rows = interceptions(database, Filter(**{name: filters[name] for name in names}))
        if not as_json and any(row["session_id"] or row["correlating_tool_call_id"] for row in rows):
            called.take_record(database, now)
    if as_json:
        _write(json_lines(rows))
    elif rows:
        on = paper()
        on.put_whole(interception_table(rows, on, now, lambda row: session_of(row, called, on)))
    else:
        click.echo("No interception matches.", err=True)


@click.command()
@common_options
@click.argument("name", metavar="ID")
@JSON
@click.option("--raw", is_flag=True, help="What went over the wire, from the dumps (record.dump_dir).")
@click.pass_context
def show(context: click.Context, /, name: str, as_json: bool, raw: bool, **_: Any) -> None:
    """One interception in full; the first characters of its ID will do."""
    from bridge.cli.paper import paper
    from bridge.cli.story import story_lines
    from bridge.record.export import json_lines
    from bridge.record.history import story

    with _record(context) as database:
        found = story(database, name)
    if raw:
        from bridge.cli.dumps import raw_dump  # which knows the routes, and so all of the bridge

        _write_raw(raw_dump(settings_from(context).settings.record, found))
    elif as_json:
        _write(json_lines([found]))
    else:
        on = paper()
        on.put_whole(story_lines(found, on.width))


@click.command()
@common_options
@click.argument("names", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "har"]),
    default="jsonl",
    show_default=True,
    help="Form of the output.",
)
@click.pass_context
def export(context: click.Context, /, names: tuple[str, ...], form: str, **_: Any) -> None:
    """Interceptions for other programs: JSON lines, or an HTTP Archive for a browser's network panel."""
    from bridge.record.export import archive, json_lines
    from bridge.record.history import story

    with _record(context) as database:
        stories = [story(database, name) for name in names]
    if form == "har":
        from bridge.cli.env import base_url  # which knows the settings

        _write([archive(stories, base_url(settings_from(context).settings))])
    else:
        _write(json_lines(stories))


@click.command()
@common_options
@click.option("--by", "group", type=click.Choice(GROUPS), default="day", show_default=True, help="What to sum by.")
@SINCE
@UNTIL
@JSON
@click.pass_context
def stats(
    context: click.Context, /, group: str, since: datetime | None, until: datetime | None, as_json: bool, **_: Any
) -> None:
    """Tokens and cost, summed by day, model, client, session, key, or what was served."""
    from datetime import UTC, datetime

    from bridge.cli.names import names_by_id
    from bridge.cli.paper import paper
    from bridge.cli.tables import totals_table
    from bridge.record.export import json_lines
    from bridge.record.names import SessionNames
    from bridge.record.sums import totals

    names = SessionNames()
    with _record(context) as database:
        rows = totals(database, group, since, until)
        if group == "session" and not as_json:
            names.take_record(database, datetime.now(UTC))
    if as_json:
        _write(json_lines(rows))
    else:
        on = paper()
        on.put_whole(totals_table(group, rows, on, names_by_id(names).get))


@click.command()
@common_options
@SINCE
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many sessions at most.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list, each session with its agents.")
@click.pass_context
def sessions(context: click.Context, /, since: datetime | None, limit: int, as_json: bool, **_: Any) -> None:
    """Agents' sessions as a tree with their agents, those that asked last first."""
    from datetime import UTC, datetime

    import orjson

    from bridge.cli.names import snapshot_requests
    from bridge.cli.paper import paper
    from bridge.cli.session_tree import session_table, session_trees
    from bridge.events.client import NoBridge, read_snapshot
    from bridge.events.times import format_time
    from bridge.record.database import RecordError
    from bridge.record.names import SessionNames
    from bridge.record.sessions import latest

    begin = format_time(since) if since else ""
    recorded, snapshot, names = {}, None, SessionNames()
    try:
        snapshot = read_snapshot(socket_from(context))
        names.take_snapshot(snapshot_requests(snapshot.interceptions))
    except NoBridge as error:  # then nobody does anything just now
        say(f"{error}; what the record knows:")
    try:
        with _record(context) as database:
            recorded = latest(database, begin, limit)
            if not as_json:
                names.take_record(database, datetime.now(UTC))
    except RecordError as error:
        if snapshot is None:
            raise
        say(f"{error}; what the bridge remembers:")
    trees = session_trees(recorded, snapshot)
    trees = [tree for tree in trees if tree["last_at"] >= begin][:limit]
    if as_json:
        _write([orjson.dumps(trees, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)])
        return
    if trees:
        on = paper()
        on.put_whole(session_table(trees, on, names))
    else:
        click.echo("No session yet.", err=True)


COMMANDS = (history, show, export, stats, sessions)


@contextmanager
def _record(context: click.Context) -> Iterator[sqlite3.Connection]:
    import sqlite3

    from bridge.record.database import RecordError, open_for_reading

    path = record_from(context)
    if path is None:
        raise RecordError('recording is off (record.path = "off"), so there is no history')
    database = open_for_reading(path)
    try:
        yield database
    except sqlite3.DatabaseError as error:  # locked for too long, or broken inside
        raise RecordError(f"{path} can't be read: {error}") from None
    finally:
        database.close()


def _write(chunks: Iterable[bytes]) -> None:
    """Prints JSON as it is; where a person looks on, with nothing in it that a terminal would act on."""
    from bridge.terminal_text import in_json

    shown = sys.stdout.isatty()
    for chunk in chunks:
        sys.stdout.buffer.write(in_json(chunk.decode()).encode() if shown else chunk)
    sys.stdout.buffer.flush()


def _write_raw(chunks: Iterable[bytes]) -> None:
    """Prints bytes as they are; where a person looks on, line by line as text that is harmless for a terminal."""
    from bridge.terminal_text import visible

    if not sys.stdout.isatty():
        sys.stdout.buffer.writelines(chunks)
        sys.stdout.buffer.flush()
        return
    for chunk in chunks:
        text = chunk.decode("utf-8", "replace").replace("\r\n", "\n")
        click.echo(visible(text, keep="\n"), nl=False)
    click.echo()
