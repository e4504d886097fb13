"""Events of every type, made by hypothesis from the fields' own types: whatever a bridge may have to tell."""

from __future__ import annotations

import types
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from bridge.events.vocabulary import EVENT_TYPES, Event, InterceptionEnded, InterceptionStarted

START = datetime(2026, 3, 1, tzinfo=UTC)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.integers(0, 2**53)
TIMES = st.integers(0, 10**10).map(lambda ms: START + timedelta(milliseconds=ms))
FLOATS = st.floats(0, 1e12, allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: NUMBERS,
    float: FLOATS,
    bool: st.booleans(),
    datetime: TIMES,
    Any: JSON,
    types.NoneType: st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation's type."""
    if kind in PLAIN:
        return PLAIN[kind]
    if get_origin(kind) in {Union, types.UnionType}:
        return st.one_of([values(argument) for argument in get_args(kind)])
    if get_origin(kind) is dict:
        return st.dictionaries(TEXTS, values(get_args(kind)[1]), max_size=3)
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0]), max_size=3)
    if get_origin(kind) is Literal or issubclass(kind, Enum):
        return st.sampled_from(get_args(kind) or list(kind))
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in attrs.fields(kind)})


ANY_EVENT: st.SearchStrategy[Event] = st.sampled_from(list(EVENT_TYPES.values())).flatmap(values)


@st.composite
def histories(draw: st.DrawFn, names: str = "abc") -> list[tuple[Event, datetime]]:
    """Events about few interceptions and keys, with their times, in any order; but each starts and ends only once."""
    hints = st.sampled_from(["sk...1", "sk...2"])
    told: list[tuple[Event, datetime]] = []
    once: set[tuple[str, str]] = set()
    at = START
    for event in draw(st.lists(ANY_EVENT, max_size=20)):
        at += timedelta(milliseconds=draw(st.integers(0, 50)))
        fields = attrs.fields_dict(type(event))
        name = draw(st.sampled_from(names))
        changes: dict[str, Any] = {field: name for field in ("id", "provider") if field in fields}
        changes |= {"key": draw(hints)} if "key" in fields else {}
        changes |= {field: draw(st.integers(0, 3)) for field in ("attempt", "index") if field in fields}
        if (name, event.type) not in once:
            told.append((attrs.evolve(event, **changes), at))
        if isinstance(event, InterceptionStarted | InterceptionEnded):
            once.add((name, event.type))
    return told
