"""The message that the deltas of a Chat Completions stream add up to, as the next request has to repeat it.

Texts grow, lists are joined, of all else the last word counts: so what compatible servers add (`reasoning_content`,
`reasoning_details`, `extra_content` of a call) is kept without being known.
"""

from __future__ import annotations

from collections.abc import Container
from io import StringIO
from typing import Any

import orjson
from attrs import field

from bridge.apis.json_text import join_halves, loads_object, well_formed
from bridge.apis.request import string
from bridge.value_classes import define


@define(eq=False)
class Slot:
    """A tool call as its pieces come. `place` is its number among those that the client sees."""

    place: int
    index: int | None = None
    call_id: str = ""
    name: str = ""
    written: StringIO = field(factory=StringIO)
    more: dict[str, Any] = field(factory=dict)

    @property
    def arguments(self) -> str:
        """Their text as far as it came."""
        return well_formed(join_halves(self.written.getvalue()))

    def whole(self) -> dict[str, Any]:
        """The call as it would stand in a body."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.call_id, "type": "function", **self.more, "function": function}


@define(eq=False)
class GrowingMessage:
    """A message as it comes."""

    calls: list[Slot] = field(factory=list)
    size: int = 0
    """Characters of its texts so far, and bytes of what else may grow, about."""

    _texts: dict[str, StringIO] = field(factory=dict)
    _others: dict[str, Any] = field(factory=dict)

    def add(self, delta: dict[str, Any], hidden: Container[str]) -> list[Slot]:
        """Takes in a delta. Returns the slot of each of its pieces of calls; those of `hidden` tools take no place."""
        for name, value in delta.items():
            if name in ("role", "tool_calls"):
                continue
            if isinstance(value, str):
                self.size += self._texts.setdefault(name, StringIO()).write(getattr(value, "raw", value))
            elif isinstance(value, list):
                self.size += len(orjson.dumps(value))
                self._others[name] = [*self._others.get(name, []), *value]
            elif value is not None:
                self._others[name] = value
        pieces = delta.get("tool_calls")
        return [self._piece(piece, hidden) for piece in pieces] if isinstance(pieces, list) else []

    def whole(self) -> bytes:
        """The message, with the calls that have a name."""
        texts = {name: well_formed(join_halves(grown.getvalue())) for name, grown in self._texts.items()}
        parts = self._others.get("content")
        content: Any = texts.pop("content", "") or None
        if isinstance(parts, list):
            content = [*parts, *([{"type": "text", "text": content}] if content else [])]
        more = {name: value for name, value in {**self._others, **texts}.items() if name != "content" and value}
        calls = [slot.whole() for slot in self.calls if slot.name]
        return orjson.dumps({"role": "assistant", "content": content, **more, "tool_calls": calls})

    def forget(self) -> None:
        """Lets go of all but which calls there are: nobody will ask for the message any more."""
        self.size = 0
        self._texts.clear()
        self._others.clear()
        for slot in self.calls:
            slot.written = StringIO()
            slot.more.clear()

    def _piece(self, value: Any, hidden: Container[str]) -> Slot:
        """A piece goes where its index says; one with a new id at an old index begins a new call. A server that leaves
        the index out begins a call with each id, and continues the last one otherwise."""
        piece = value if isinstance(value, dict) else {}
        index, call_id = piece.get("index"), string(piece.get("id")) or ""
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        slot = self._slot(index if isinstance(index, int) else None, call_id)
        if slot is None:
            name = string(function.get("name")) or _custom_name(piece)
            slot = Slot(sum(each.name not in hidden for each in self.calls), index, name=name)
            self.calls.append(slot)
        slot.call_id = slot.call_id or call_id
        slot.name = slot.name or string(function.get("name")) or ""
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            self.size += slot.written.write(getattr(arguments, "raw", arguments))
        known = ("index", "id", "function")
        slot.more.update({name: more for name, more in piece.items() if name not in known and more is not None})
        return slot

    def _slot(self, index: int | None, call_id: str) -> Slot | None:
        if index is None:
            found = self.calls[-1] if self.calls and not call_id else None
        else:
            found = next((slot for slot in reversed(self.calls) if slot.index == index), None)
        if found is not None and call_id and found.call_id and call_id != found.call_id:
            return None
        return found


def piece_of(raw: bytes) -> dict[str, Any]:
    """A piece of a call, as an object."""
    return loads_object(raw) or {}


def _custom_name(piece: dict[str, Any]) -> str:
    custom = piece.get("custom")
    return (string(custom.get("name")) or "") if isinstance(custom, dict) else ""
