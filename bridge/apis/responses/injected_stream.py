"""A Responses stream that may call tools of the bridge's own: held back until it is known what becomes of it.

A client of this API gets the whole response at the end once more, so it must never see one that is not the last. What
came is released when the response is over without a call to run, or as soon as a tool of the client is called; it is
dropped when another round follows. An answer that is too large to be held is released too, and is then the last. Items
of injected calls are taken out, and the others counted as if there were none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.apis.injection import BESIDE_OWN, NOTHING, TOO_LARGE, InjectedTool, Turn
from bridge.apis.json_text import loads_object
from bridge.apis.raw_json import array, value_of, with_member
from bridge.apis.readers import event_type
from bridge.apis.responses.tools import is_for_the_client
from bridge.apis.responses.turn import call_of, turn_of
from bridge.apis.rounds import SoFar
from bridge.apis.sse_events import HeldTooMuch, WholeEvent
from bridge.limits import LIMITS, Share

_ITEM = frozenset({b"response.output_item.added", b"response.output_item.done"})
_FINAL = frozenset({b"response.completed", b"response.incomplete", b"response.failed"})
_ARGUMENTS = b"response.function_call_arguments."


class StreamedResponse:
    """The `StreamedAnswer` of Responses."""

    def __init__(self, tools: Mapping[str, InjectedTool], so_far: SoFar, held: Share, *, last: bool) -> None:
        self.complete = False
        self.next_number = 0
        self._tools = tools
        self._so_far = so_far
        self._share = held
        self._last = last
        self._turn = NOTHING
        self._held: list[tuple[bytes, WholeEvent]] = []
        self._held_size = 0
        self._live = False
        self._why_live = ""
        self._items: dict[int, bytes] = {}
        self._hidden_places: list[int] = []
        self._hidden_ids: set[str] = set()
        self._left_out = 0

    def turn(self) -> Turn:
        """What it asks for."""
        return self._turn

    def take(self, event: WholeEvent) -> bytes:
        """What the client sees now that this event has come."""
        if not event.data:
            return event.raw
        if self._turn.calls:
            return b""
        name = event_type(event.name, event.data)
        if name in _ITEM:
            self._note_item(name, event)
        elif name in _FINAL:
            return self._end(name, event)
        elif name == b"error":
            self.complete = self._live = True
        if self._live:
            return self._release() + self._shown(name, event)
        self._held.append((name, event))
        self._hold(len(event.raw))
        return self._release() if self._live else b""

    def _note_item(self, name: bytes, event: WholeEvent) -> None:
        """An item begins or is whole: whose call is it, if it is any?"""
        value = loads_object(event.data) or {}
        item, place, raw = value.get("item"), value.get("output_index"), value_of(event.data, "item")
        if not isinstance(item, dict) or raw is None:
            return
        if isinstance(place, int) and name.endswith(b".done") and not self._live:
            self._items[place if place not in self._items else len(self._items)] = raw
            self._hold(len(raw))
        if call_of(raw, item, self._tools) is None:
            if is_for_the_client(item):
                self._go_live(BESIDE_OWN)
        elif name.endswith(b".added") and isinstance(place, int):
            self._hidden_places.append(place)
            if isinstance(item.get("id"), str):
                self._hidden_ids.add(item["id"])

    def _end(self, name: bytes, event: WholeEvent) -> bytes:
        """The response is over."""
        shown, self.complete, self._live = self._live, True, True
        value, raw = loads_object(event.data) or {}, value_of(event.data, "response")
        response = value.get("response")
        if not isinstance(response, dict) or raw is None:
            return self._release() + self._shown(name, event)
        told = raw
        if not response.get("output") and self._items:  # some servers do not repeat the items
            told = with_member(raw, "output", array(self._items[place] for place in sorted(self._items)))
            response = loads_object(told) or response
        if isinstance(response.get("output"), list):
            self._turn, without = turn_of(told, response, self._tools, last=self._last, held=not shown)
            raw = without if told is raw else raw
        if shown and self._hidden_places and not self._turn.not_run:  # its end does not repeat the items
            self._turn = Turn(not_run=self._why_live)
        if self._turn.calls:
            self._drop()
            return b""
        raw = self._so_far.with_usage(raw, response.get("usage"))
        return self._release() + self._shown(name, event.with_data(with_member(event.data, "response", raw)))

    def _shown(self, name: bytes, event: WholeEvent) -> bytes:
        """The event as the client gets it; nothing where it is of an injected call."""
        value = loads_object(event.data) if self._hidden_places or self._left_out else None
        if value is None:
            self.next_number += 1
            return event.raw
        if self._is_hidden(name, value, event.data):
            self._left_out += 1
            return b""
        data = event.data
        place, number = value.get("output_index"), value.get("sequence_number")
        if isinstance(place, int):
            before = sum(hidden < place for hidden in self._hidden_places)
            data = with_member(data, "output_index", b"%d" % (place - before)) if before else data
        if isinstance(number, int) and self._left_out:
            data = with_member(data, "sequence_number", b"%d" % (number - self._left_out))
        self.next_number += 1
        return event.with_data(data).raw

    def _is_hidden(self, name: bytes, value: dict[str, Any], data: bytes) -> bool:
        if name in _ITEM:
            return call_of(value_of(data, "item") or b"{}", value.get("item"), self._tools) is not None
        if not name.startswith(_ARGUMENTS):
            return False
        known = value.get("item_id")
        if isinstance(known, str) and self._hidden_ids:
            return known in self._hidden_ids
        return value.get("output_index") in self._hidden_places

    def _release(self) -> bytes:
        held = self._drop()
        return b"".join(self._shown(name, event) for name, event in held)

    def _drop(self) -> list[tuple[bytes, WholeEvent]]:
        held, self._held = self._held, []
        self._share.shrink(self._held_size)
        self._held_size = 0
        return held

    def _go_live(self, why: str) -> None:
        """The client sees the answer from here on; injected calls in it are not run, and `why` says that."""
        self._why_live = self._why_live or why
        self._live = True
        self._items.clear()

    def _hold(self, size: int) -> None:
        """More is held. Without room for it the answer goes out, unless it has begun a call that is to be run."""
        if self._held_size + size <= LIMITS.tool_round_bytes and self._share.grow(size):
            self._held_size += size
        elif self._hidden_places:
            raise HeldTooMuch("the answer is too large to look for tools in")
        else:
            self._go_live(TOO_LARGE)
