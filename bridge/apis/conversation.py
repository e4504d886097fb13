"""What a request brings of a conversation: the tool results that are new in it, and a fingerprint of all its parts.

An agent sends its whole conversation again with every request. To tell what changed since the last one, nobody needs
to keep any of it: 64 bits for each message do. They are made of the parsed value, so that a client which spaces or
escapes its JSON anew has changed nothing, and with Python's own keyed hash, so that nobody can aim at a collision.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
from attrs import evolve

from bridge.events.size import clip, utf8_size
from bridge.events.vocabulary import ContextChanged
from bridge.limits import LIMITS
from bridge.value_classes import define, frozen

SYSTEM_ROLES = ("system", "developer")


def _as_it_is(part: Any) -> Any:
    return part


@frozen
class BroughtResult:
    """What a tool answered. `text` is the beginning of it, with more than is told: it is cut where it is clean."""

    tool_call_id: str | None
    bytes: int
    is_error: bool
    text: str


@frozen
class Fingerprints:
    """A conversation at one request: 8 bytes for each message, of which the first `leading` are the system's."""

    messages: array[int]
    leading: int
    system: int
    tools: int
    continues: bool
    has_tools: bool


@define(eq=False)
class Conversation:
    """The parts of a request's body that make up its conversation, as they were parsed, and what tools answered.

    It holds all of the request, and stands among facts that are kept for long: whoever reads them empties it.
    """

    messages: list[Any]
    system: Any
    tools: Any
    results: tuple[BroughtResult, ...] = ()
    """Those that came after the model's last turn."""
    continues: bool = False
    """The messages come on top of those that the provider keeps, and replace none."""
    plain: Callable[[Any], Any] = _as_it_is
    """Takes out of a message, or of the system prompt, what says nothing of its content."""

    def empty(self) -> None:
        """Lets go of the request."""
        self.messages, self.system, self.tools, self.results = [], None, None, ()

    def moved(self) -> Conversation:
        """The same for somebody else to hold; this one is empty then."""
        conversation = evolve(self)
        self.empty()
        return conversation

    def fingerprints(self) -> Fingerprints:
        """Takes about as long as it would to write the request as JSON."""
        messages = self.messages
        leading = next((place for place, message in enumerate(messages) if not _is_system(message)), len(messages))
        prints = array("q", [_fingerprint(self.plain(message)) for message in messages])
        system, tools = _fingerprint(self.plain(self.system)), _fingerprint(self.tools)
        return Fingerprints(prints, leading, system, tools, self.continues, bool(self.tools))


def of_two(before: Fingerprints, now: Fingerprints) -> bool:
    """Whether two requests that name the same agent are of two conversations: only one has tools, and they do not begin
    with the same message. Agents ask like that for a title, say, and may repeat what it is to be a title of."""
    if before.has_tools == now.has_tools or before.continues or now.continues:
        return False
    first = before.messages[before.leading : before.leading + 1]
    return not first or first != now.messages[now.leading : now.leading + 1]


def change(id_: str, before: Fingerprints, now: Fingerprints) -> ContextChanged:
    """What the interception of that id has in its conversation that the one before had not, and the other way round.

    A message that only stands elsewhere was neither added nor removed.
    """
    added, removed = len(now.messages), 0
    if not now.continues:
        added, removed = _differences(before.messages, now.messages)
    leading = now.messages[: now.leading] != before.messages[: before.leading]
    return ContextChanged(
        id=id_,
        messages=len(now.messages),
        added=added,
        removed=removed,
        system_changed=now.system != before.system or (leading and not now.continues),
        tools_changed=now.tools != before.tools,
    )


def _differences(before: array[int], now: array[int]) -> tuple[int, int]:
    if now[: len(before)] == before:  # the usual turn: all that was there, and more
        return len(now) - len(before), 0
    old, new = Counter(before), Counter(now)
    return (new - old).total(), (old - new).total()


def after_last(messages: list[Any], is_answer: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The messages that came after the model's last turn, in order."""
    place = len(messages)
    while place and not (isinstance(messages[place - 1], dict) and is_answer(messages[place - 1])):
        place -= 1
    return [message for message in messages[place:] if isinstance(message, dict)]


def brought(results: Iterable[tuple[object, object, bool]]) -> tuple[BroughtResult, ...]:
    """Results given as the call's id, the content, and whether it is an error; the last ones where there are many."""
    found = [*results]
    return tuple([_result(*result) for result in found[-LIMITS.tool_results :]]) if found else ()


def _result(tool_call_id: object, content: object, is_error: bool) -> BroughtResult:
    text = "\n".join(_texts(content))
    name = tool_call_id if isinstance(tool_call_id, str) else None
    return BroughtResult(name, utf8_size(text), is_error, clip(text, 2 * LIMITS.result_bytes))


def _texts(content: object) -> Iterator[str]:
    """The texts in a result: itself, its text parts, or what a shell wrote; a picture has none."""
    for part in content if isinstance(content, list) else [content]:
        match part:
            case str(text) | {"text": str(text)}:
                yield text
            case {"stdout": str(out), "stderr": str(err)}:
                yield from (text for text in (out, err) if text)


def _is_system(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in SYSTEM_ROLES


def _fingerprint(value: object) -> int:
    try:
        return hash(orjson.dumps(value))
    except orjson.JSONEncodeError:  # nested so deeply that it can be read, but not written: all such are the same
        return 0
