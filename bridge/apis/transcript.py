"""What has been told of one answer: events in order, thoughts numbered, text kept until somebody asks for it.

The three APIs differ in how an answer is spelled; this is what they have in common. Deltas of one thought, or of the
answer, that come in one `feed` leave as one event. A delta that nobody asks for waits: a thought's until the thought is
recorded whole, the answer's until somebody asks or the answer ends.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence

from attrs import evolve, field

from bridge.apis.json_text import CutText, join_halves, passed_on, well_formed
from bridge.apis.protocol import RequestFacts, Wants
from bridge.apis.request import string
from bridge.apis.usage import LARGEST_COUNT, Usage
from bridge.events.values import Asked, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    Event,
    ModelServed,
    Noted,
    PromptRecorded,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.limits import HELD, LIMITS, Share
from bridge.value_classes import define

HELD_LIMIT = 256 * 1024  # what is kept unread or untold of an answer that nobody asks for
FIRST_HALVES = ("\ud800", "\udbff")  # of characters outside the basic plane, in UTF-16
_NOTE_CHARACTERS = 8 * 1024  # of a note; it is cut to what is told of it once it is clean of secrets

_log = logging.getLogger(__name__)


@define(eq=False)
class Growing:
    """Text that comes in pieces, with a mark for how much of it was told."""

    pieces: list[str] = field(factory=list)
    published: int = 0  # pieces already in a delta
    size: int = 0  # characters of all pieces
    due: bool = False  # a delta of it is among the events to be taken
    half: str = ""  # the first half of a character, whose other half is to come

    def add(self, text: str) -> int:
        """Takes a piece. Returns how many characters became whole by it."""
        if self.half or isinstance(text, CutText):
            whole = join_halves(self.half + getattr(text, "raw", text))
            self.half = whole[-1:] if FIRST_HALVES[0] <= whole[-1:] <= FIRST_HALVES[1] else ""
            text = well_formed(whole[:-1] if self.half else whole)
        if text:
            self.pieces.append(text)
            self.size += len(text)
        return len(text)

    def end(self) -> None:
        """No more will come."""
        if self.half:
            self.half = ""
            self.add("\ufffd")

    def unpublished(self) -> str:
        """The text since the last time, published now."""
        text = "".join(self.pieces[self.published :])
        self.published = len(self.pieces)
        return text


@define(eq=False)
class OpenThought:
    """One thought of an answer; its `index` is its place in order of first appearance."""

    index: int
    source: ThoughtSource
    text: Growing = field(factory=Growing)
    recorded: bool = False
    estimated_tokens: int | None = None  # of a text that the provider keeps


class Transcript:
    """Collects the events of one answer. `take` gives out what became known since the last time."""

    def __init__(self, interception_id: str, facts: RequestFacts, wants: Wants) -> None:
        self.response_id: str | None = None
        self.held = Share(HELD)
        """What of the answer is still coming, its reader's part included. Whoever ends the reading closes it."""
        self._id = interception_id
        self._prompt = facts.prompt
        self._is_wanted = wants
        self._wanted: dict[str, bool] = {}  # the answers of `wants` in this feed
        self._thoughts: dict[Hashable, OpenThought] = {}
        self._next_index = 0
        self._answer = Growing()
        self._asked = Asked(facts.model, facts.service_tier, facts.speed)
        self._model: str | None = None
        self._service_tier: str | None = None
        self._speed: str | None = None
        self._served_told = False
        self.usage: tuple[Usage, ...] = ()
        """The parts of what was told in `tokens.used`."""
        self._events: list[Event | OpenThought | Growing] = []  # an OpenThought or a Growing stands for a delta of it

    def wants(self, event_type: str) -> bool:
        """Whether anybody asks for events of that type; asked once a feed."""
        wanted = self._wanted.get(event_type)
        if wanted is None:
            wanted = self._wanted[event_type] = self._is_wanted(event_type)
        return wanted

    def name(self, response_id: object) -> None:
        """Takes the response's id where there is one; the first counts. The prompt is recorded with it."""
        if self.response_id is not None or not isinstance(response_id, str) or not response_id:
            return
        self.response_id = response_id
        if self._prompt:
            self._events.append(PromptRecorded(self._id, response_id, self._prompt))

    def thought(self, key: Hashable, source: ThoughtSource) -> OpenThought:
        """The thought the API knows under `key`, numbered when it is first asked for."""
        thought = self._thoughts.get(key)
        if thought is None:
            thought = self._thoughts[key] = OpenThought(self._number(), source)
        return thought

    def think(self, thought: OpenThought, text: str) -> None:
        """A piece of a thought came."""
        growing = thought.text
        if thought.recorded or not text or growing.size > LIMITS.event_bytes or not self.held.grow(len(text)):
            return
        if growing.add(text) and not growing.due and self.wants("thought.delta"):
            growing.due = True
            self._events.append(thought)

    def record(self, thought: OpenThought, text: str = "") -> None:
        """The thought is whole: `text`, or what came of it in pieces."""
        thought.text.end()
        text = text or "".join(thought.text.pieces)
        if thought.recorded or not text:
            return
        thought.recorded = True
        self.held.shrink(thought.text.size)
        if not thought.text.due:
            thought.text = Growing()
        self._events.append(ThoughtRecorded(self._id, self.response_id, thought.index, thought.source, text))

    def estimate(self, thought: OpenThought, more: int) -> None:
        """A thought whose text the provider keeps has grown by so many tokens, about."""
        if thought.recorded:
            return
        thought.estimated_tokens = min((thought.estimated_tokens or 0) + more, LARGEST_COUNT)
        if not thought.text.due and self.wants("thought.delta"):
            thought.text.due = True
            self._events.append(thought)

    def withhold(self, reason: WithheldReason, size: int, thought: OpenThought | None = None) -> None:
        """There was a thought, of which only `size` unreadable bytes came; `thought` where it was begun."""
        index, tokens = (thought.index, thought.estimated_tokens) if thought else (self._number(), None)
        if thought:
            thought.recorded = True
        self._events.append(ThoughtWithheld(self._id, self.response_id, index, reason, size, tokens))

    def answer(self, text: str) -> int:
        """A piece of the answer's text came. Returns how many characters became whole by it."""
        growing = self._answer
        count = growing.add(text)
        if count and (growing.size > HELD_LIMIT or self.wants("answer.delta")):
            self._tell_answer()
        return count

    def end_answer(self) -> None:
        """No more text will come: what nobody asked for so far is told now."""
        self._answer.end()
        if self._answer.pieces:
            self._tell_answer()

    def call(self, call_id: object, tool: str, arguments: object, error: str | None = None) -> None:
        """The model called a tool."""
        call_id = call_id if isinstance(call_id, str) else None
        self._events.append(ToolCalled(self._id, self.response_id, call_id, tool, passed_on(arguments), error=error))

    def spend(self, parts: Sequence[Usage], extra: dict[str, int], *, partial: bool = False) -> None:
        """What the response used, part by part; `partial` where it broke off. A part without a model is of the model
        that answered. Tells what answered, too: nothing more will be said of it."""
        model = self._model or self._asked.model
        self.usage = tuple(
            evolve(
                part,
                model=part.model or model,
                service_tier=part.service_tier or self._service_tier,
                speed=part.speed or self._speed,
            )
            for part in parts
        )
        self._tell_served()
        names = ("input", "output", "cache_read_input", "cache_write_input")
        sums = {name: sum(getattr(part, name) for part in parts) for name in names}
        self._events.append(TokensUsed(self._id, self.response_id, **sums, model=model, extra=extra, partial=partial))

    def _tell_served(self) -> None:
        """Tells once what really answered, where anything was said of it."""
        if not self._served_told and (self._model or self._service_tier or self._speed):
            self._served_told = True
            self._events.append(ModelServed(self._id, self._model, self._service_tier, self._speed, self._asked))

    def serve(self, model: object = None, service_tier: object = None, speed: object = None) -> None:
        """The answer says what really answers; each word replaces what was said of it before."""
        model, service_tier, speed = string(model), string(service_tier), string(speed)
        self._model = model or self._model
        self._service_tier = service_tier or self._service_tier
        self._speed = speed or self._speed

    def note(self, kind: str, text: str = "") -> None:
        """There is something that is neither thought, call nor text. `text` may be longer than what is told of it."""
        self._events.append(Noted(self._id, kind, text[:_NOTE_CHARACTERS]))

    def end(self) -> None:
        """The answer is over, or broke off: thoughts and answer are told as far as they came."""
        for thought in self._thoughts.values():
            self.record(thought)
        self.end_answer()
        self._tell_served()
        if self._prompt and self.response_id is None:
            _log.warning("interception %s: no response id came, its prompt is not recorded", self._id)

    def take(self) -> list[Event]:
        """The events since the last time."""
        self._wanted.clear()
        if not self._events:
            return []
        events = [self._event(entry) for entry in self._events]
        self._events = []
        return events

    def _event(self, entry: Event | OpenThought | Growing) -> Event:
        if isinstance(entry, OpenThought):
            text = entry.text.unpublished()
            delta = ThoughtDelta(self._id, entry.index, entry.source, text, entry.estimated_tokens)
            entry.text.due = False
            if entry.recorded:
                entry.text = Growing()
            return delta
        if isinstance(entry, Growing):
            text = entry.unpublished()
            self._answer = Growing(half=entry.half)
            return AnswerDelta(self._id, text)
        return entry

    def _tell_answer(self) -> None:
        if not self._answer.due:
            self._answer.due = True
            self._events.append(self._answer)

    def _number(self) -> int:
        index = self._next_index
        self._next_index += 1
        return index
