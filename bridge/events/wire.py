"""Events as they travel on the socket: one JSON object a line, UTF-8, in both directions (docs/events.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from attrs import Factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.orjson import make_converter

from bridge.errors import ClearspanError
from bridge.events.entries import Interception, Resident, Tool, Totals
from bridge.events.picture import Picture
from bridge.events.sessions import Sessions, SessionTotals
from bridge.events.times import format_time
from bridge.events.values import KeyRunway, RateLimits, ServerState
from bridge.events.vocabulary import (
    EVENT_TYPES,
    CircuitChanged,
    Event,
    KeyChanged,
    KeyMoved,
    PoolChanged,
    ServerChanged,
    ToolCalled,
)
from bridge.value_classes import frozen

PROTOCOL = 1

PIECE = 64 * 1024
"""Bytes that a piece of a snapshot has at least, but for the last."""


class WireError(ClearspanError, ValueError):
    """A line that is not what the protocol says; its text says why."""


@frozen
class Envelope:
    """An event with its place in the bridge's life: `seq` rises by one per event, `at` is UTC."""

    seq: int
    at: datetime
    event: Event


@frozen
class Hello:
    """The first line to every subscriber."""

    protocol: int
    version: str
    pid: int
    url: str
    started_at: datetime
    seq: int = 0
    at: datetime | None = None
    """When it was said; None in logs of earlier versions."""


@frozen
class Snapshot:
    """All that is known after event `seq`."""

    seq: int
    at: datetime
    keys: list[KeyChanged]
    interceptions: list[Interception]
    totals: Totals
    circuits: list[CircuitChanged] = Factory(list)
    """Those that are not closed."""
    servers: list[ServerChanged] = Factory(list)
    sessions: list[SessionTotals] = Factory(list)
    pools: list[PoolChanged] = Factory(list)
    homes: list[Resident] = Factory(list)

    @classmethod
    def of(cls, picture: Picture, seq: int, at: datetime) -> Snapshot:
        """The picture as a message. It stays as it is when the picture changes, so that a thread may encode it."""
        return cls(
            seq,
            at,
            list(picture.keys.values()),
            [interception.copy() for interception in picture.interceptions.values()],
            picture.totals.copy(),
            list(picture.circuits.values()),
            list(picture.servers.values()),
            [session.copy() for session in picture.sessions.known.values()],
            list(picture.pools.values()),
            list(picture.homes.values()),
        )

    def picture(self) -> Picture:
        """The picture it was made of, ready for the events that follow."""
        return Picture(
            keys={(key.provider, key.key): key for key in self.keys},
            interceptions={interception.id: interception.copy() for interception in self.interceptions},
            totals=self.totals.copy(),
            circuits={(circuit.provider, circuit.endpoint, circuit.model): circuit for circuit in self.circuits},
            servers={server.server: server for server in self.servers},
            sessions=Sessions({session.session_id: session.copy() for session in self.sessions}),
            pools={pool.provider: pool for pool in self.pools},
            homes={home.name: home for home in self.homes},
        )


@frozen
class Command:
    """What a subscriber asks for. `n` comes back in the reply's `to`."""

    n: int
    command: str
    id: str | None = None
    provider: str | None = None
    key: str | None = None
    types: list[str] | None = None
    before: str | None = None
    session: str | None = None
    limit: int | None = None
    text: str | None = None


@frozen
class Reply:
    """The answer to a command, or to a line that was none (`to` is None then)."""

    to: int | None
    ok: bool
    error: str | None = None


@frozen
class ToldTool:
    """A tool as the message `tools` shows it; `id` is None for one that is not offered now."""

    id: str | None
    name: str
    description: str
    """Its first line."""
    allowed: bool


@frozen
class ToldServer:
    """An MCP server as the message `tools` shows it."""

    server: str
    url: str
    state: ServerState
    error: str | None
    tools: list[ToldTool]


@frozen
class Tools:
    """The answer to the command `tools`."""

    to: int | None
    servers: list[ToldServer]


@frozen
class History:
    """Past interceptions, newest first: the answer to a command that asked for them. `more`: there are older ones."""

    seq: int
    at: datetime
    to: int
    interceptions: list[Interception]
    more: bool


Message = Envelope | Hello | Snapshot | Reply | Tools | History

_MADE_FOR_ONE: dict[str, type[Hello | Snapshot | Reply | Tools | History]] = {
    "hello": Hello,
    "snapshot": Snapshot,
    "reply": Reply,
    "tools": Tools,
    "history": History,
}
"""What is no event, but for one subscriber alone."""

_converter = make_converter()

_converter.register_unstructure_hook(datetime, format_time)
_converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))


def _as_it_is(value: Any) -> Any:
    return value


_ODD: dict[type, dict[str, Any]] = {
    Tool: {"arguments": override(unstruct_hook=_as_it_is)},  # JSON already, and maybe large
    ToolCalled: {"arguments": override(unstruct_hook=_as_it_is)},
    RateLimits: {"five_hours": override(rename="5h"), "seven_days": override(rename="7d")},
    KeyMoved: {"from_": override(rename="from")},  # no name that Python takes
}
"""What of which class travels otherwise than its field says."""


@_converter.register_unstructure_hook_factory(_ODD.__contains__)
def _writing_odd(kind: Any) -> Callable[[Any], dict[str, Any]]:
    return make_dict_unstructure_fn(kind, _converter, **_ODD[kind])


@_converter.register_structure_hook_factory(_ODD.__contains__)
def _reading_odd(kind: Any) -> Callable[[Any, Any], Any]:
    return make_dict_structure_fn(kind, _converter, **_ODD[kind])


def _is_interception(kind: Any) -> bool:
    return kind is Interception


@_converter.register_unstructure_hook_factory(_is_interception)
def _flattening(_kind: Any) -> Callable[[Interception], dict[str, Any]]:
    """Writes the fields of `interception.started` first, among what came since."""
    since = make_dict_unstructure_fn(Interception, _converter, started=override(omit=True))
    return lambda interception: {**_converter.unstructure(interception.started), **since(interception)}


@_converter.register_structure_hook_factory(_is_interception)
def _gathering(_kind: Any) -> Callable[[dict[str, Any], Any], Interception]:
    """Reads what that wrote."""
    structure = make_dict_structure_fn(Interception, _converter)
    return lambda fields, kind: structure({**fields, "started": fields}, kind)


def as_json(value: Resident | KeyRunway | None) -> Any:
    """A part of a message as JSON values."""
    return _converter.unstructure(value)


def unstructure(event: Event) -> dict[str, Any]:
    """An event's fields as JSON values."""
    fields: dict[str, Any] = _converter.unstructure(event)
    return fields


def unstructured(value: Any) -> Any:
    """A value of this module as JSON values."""
    return _converter.unstructure(value)


def encode(message: Message | Command) -> bytes:
    """The message as a line, newline included."""
    body: dict[str, Any]
    match message:
        case Snapshot():
            return b"".join(encode_snapshot(message))
        case Envelope(seq, at, event):
            body = {"type": event.type, "seq": seq, "at": format_time(at)}
            body.update(_converter.unstructure(event))
        case Command():
            body = {name: value for name, value in _converter.unstructure(message).items() if value is not None}
        case _:
            body = {"type": type(message).__name__.lower()}
            body.update(_converter.unstructure(message))
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def encode_interception(interception: Interception) -> bytes:
    """One interception as it stands in a snapshot and in a history."""
    return _json(interception)


def encode_history(seq: int, at: datetime, to: int, interceptions: list[bytes], *, more: bool) -> list[bytes]:
    """A history's line in pieces, of interceptions that are encoded already."""
    head = _json({"type": "history", "seq": seq, "at": at, "to": to, "more": more})
    return [head[:-1], b',"interceptions":[', b",".join(interceptions), b"]}\n"]


def encode_snapshot(snapshot: Snapshot) -> list[bytes]:
    """A snapshot's line in pieces, each made by itself: in a thread, others get their turn between them."""
    head = _json({"type": "snapshot", "seq": snapshot.seq, "at": snapshot.at, "keys": snapshot.keys})
    pieces, gathered = [], bytearray(head[:-1] + b',"interceptions":[')
    for number, interception in enumerate(snapshot.interceptions):
        gathered += b"," if number else b""
        gathered += _json(interception)
        if len(gathered) >= PIECE:
            pieces.append(bytes(gathered))
            gathered.clear()
    named = ("totals", "circuits", "servers", "sessions", "pools", "homes")
    tail = _json({name: getattr(snapshot, name) for name in named})
    gathered += b"]," + tail[1:] + b"\n"
    return [*pieces, bytes(gathered)]


def _json(value: Any) -> bytes:
    return orjson.dumps(_converter.unstructure(value), option=orjson.OPT_NON_STR_KEYS)


def decode(line: bytes) -> Message | None:
    """The message in a line from the bridge; None for an event type that a later version added.

    Raises WireError where the line is no message at all.
    """
    body = _object(line)
    kind = body.get("type")
    if not isinstance(kind, str):
        raise WireError("a message needs a 'type'")
    try:
        if kind in _MADE_FOR_ONE:
            return _converter.structure(body, _MADE_FOR_ONE[kind])
        if kind not in EVENT_TYPES:
            return None
        event = _converter.structure(body, EVENT_TYPES[kind])
        return Envelope(int(body["seq"]), datetime.fromisoformat(body["at"]), event)
    except Exception as error:  # cattrs raises groups of anything; the caller needs one kind
        raise WireError(f"not a valid {kind!r} message: {type(error).__name__}") from error


COMMAND_TEXTS = ("id", "provider", "key", "before", "session", "text")
"""What of a command is a text, or not there."""


def decode_command(line: bytes) -> Command:
    """The command in a line from a subscriber. Raises WireError where it is none."""
    body = _object(line)
    n, command = body.get("n"), body.get("command")
    if not isinstance(n, int) or isinstance(n, bool):
        raise WireError("'n' must be a whole number")
    if not isinstance(command, str):
        raise WireError("'command' must be a string")
    for name in COMMAND_TEXTS:
        if not isinstance(body.get(name), str | None):
            raise WireError(f"'{name}' must be a string")
    types = body.get("types")
    if types is not None and not (isinstance(types, list) and all(isinstance(kind, str) for kind in types)):
        raise WireError("'types' must be a list of strings")
    limit = body.get("limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise WireError("'limit' must be a whole number from 1 on")
    texts = {name: body.get(name) for name in COMMAND_TEXTS}
    return Command(n, command, types=types, limit=limit, **texts)


def _object(line: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise WireError("a message is a JSON object")
    return body
