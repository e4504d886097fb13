"""The picture that events add up to: what a subscriber needs to know before the next event makes sense.

`Picture` folds events, in order, into the live and lately ended interceptions, the keys and the totals. The hub keeps
one so that a `snapshot` is always at hand; the monitor keeps its own, begun from that snapshot. The same events, in the
same order, give the same picture on both sides.

Each text, each interception and all together have a bound (`bridge.limits`), and what is cut or forgotten for it is
counted. All that the bounds depend on stands in a snapshot, so that both sides cut at the same place.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import Factory, evolve, field

from bridge.events.entries import (
    OWN_SIZE,
    STARTED_TEXTS,
    TOOL_FIELDS,
    TOOL_TEXTS,
    Attempt,
    Context,
    Interception,
    Note,
    OpenSilence,
    Resident,
    Result,
    Serving,
    Thought,
    Tokens,
    Tool,
    Totals,
    tool_times_size,
)
from bridge.events.handlers import Handlers
from bridge.events.sessions import Sessions
from bridge.events.size import FIXED, clip, clip_json, json_size, utf8_size, value_json, value_size
from bridge.events.values import Asked
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    ContextChanged,
    Event,
    InterceptionEnded,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionStarted,
    InterceptionWaiting,
    KeyChanged,
    ModelServed,
    Noted,
    PoolChanged,
    PromptRecorded,
    ResponseStarted,
    ServerChanged,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)
from bridge.limits import LIMITS
from bridge.value_classes import define

REMOVED = "removed"
"""The reason in a `key.changed`, and the error in a `server.changed`, that is the last: it is no longer configured."""


ENDED_FIELDS = (
    *("outcome", "status", "error_type", "duration_ms", "first_byte_ms", "first_token_ms"),
    *("bytes_in", "bytes_out", "request_equal", "answer_equal", "added"),
)


@define
class Picture:
    """All that events have said so far. `interceptions` is in order of arrival; of the ended ones, the last 200."""

    keys: dict[tuple[str, str], KeyChanged] = Factory(dict)
    interceptions: dict[str, Interception] = Factory(dict)
    totals: Totals = Factory(Totals)
    circuits: dict[tuple[str, str, str | None], CircuitChanged] = Factory(dict)
    servers: dict[str, ServerChanged] = Factory(dict)
    sessions: Sessions = Factory(Sessions)
    room: int | None = field(default=None, kw_only=True, eq=False)
    """What all interceptions may take, where that is less than usual."""
    pools: dict[str, PoolChanged] = Factory(dict)
    homes: dict[tuple[str, str, str | None], Resident] = Factory(dict)
    """Who is served with which key; those that were served longest ago are forgotten first."""
    size: int = field(init=False)
    """What all interceptions take, about, as `LIMITS.picture_bytes` bounds it."""
    _ended: dict[str, None] = field(factory=dict, init=False)
    _changing: str | None = field(default=None, init=False, eq=False)
    """The one that an event is about just now: a log may tell of it after its end, and it must not go meanwhile."""

    def __attrs_post_init__(self) -> None:
        self.size = sum(known.size for known in self.interceptions.values())
        ended = [(known.ended_nth, known.ended_at, known.id) for known in self.interceptions.values() if known.ended_at]
        ended.sort(key=lambda entry: entry[:2])  # the first to end is the first to be forgotten
        self._ended.update({id_: None for _, _, id_ in ended})

    def apply(self, event: Event, at: datetime) -> None:
        """Takes one event in. One about an interception that is not known (any more) changes nothing."""
        if isinstance(event, InterceptionStarted):
            self._start(event, at)
        elif isinstance(event, KeyChanged):
            self._change_key(event)
        elif isinstance(event, CircuitChanged):
            self._change_circuit(event)
        elif isinstance(event, ServerChanged):
            self._change_server(event)
        elif isinstance(event, PoolChanged):
            self._change_pool(event)
        else:
            interception = self.interceptions.get(getattr(event, "id", ""))
            if interception is not None and (interception.live or not isinstance(event, InterceptionEnded)):
                self._changing = interception.id
                absorb = self._absorbs.get(type(event))
                if absorb is not None:
                    absorb(self, event, interception, at)
                self._changing = None

    def _change_key(self, event: KeyChanged) -> None:
        if event.reason == REMOVED:
            self.keys.pop((event.provider, event.key), None)
        else:
            self.keys[event.provider, event.key] = event

    def _change_server(self, event: ServerChanged) -> None:
        if event.error == REMOVED:
            self.servers.pop(event.server, None)
        else:
            self.servers[event.server] = event

    def _change_pool(self, event: PoolChanged) -> None:
        if event.total:
            self.pools[event.provider] = event
        else:
            self.pools.pop(event.provider, None)

    def _settle(self, interception: Interception, attempt: Attempt, at: datetime) -> None:
        """Remembers with which key of the pool an agent of a session was served."""
        started = interception.started
        if started.session_id is None or started.credential.kind != "centralized":
            return
        session = clip(started.session_id, LIMITS.label_characters)
        agent = None if started.agent_id is None else clip(started.agent_id, LIMITS.label_characters)
        home = Resident(started.provider, session, agent, attempt.key, at)
        self.homes.pop(home.name, None)
        self.homes[home.name] = home
        while len(self.homes) > LIMITS.shown_homes:
            del self.homes[next(iter(self.homes))]

    def _change_circuit(self, event: CircuitChanged) -> None:
        """Remembers the circuits that are not closed: these are what one wants to see."""
        if event.model is not None:
            event = evolve(event, model=clip(event.model, LIMITS.label_characters))  # a client chose it
        name = (event.provider, event.endpoint, event.model)
        if event.state == "closed":
            self.circuits.pop(name, None)
            return
        self.circuits[name] = event
        while len(self.circuits) > LIMITS.circuits:
            del self.circuits[next(iter(self.circuits))]

    def _start(self, event: InterceptionStarted, at: datetime) -> None:
        if event.id in self.interceptions:
            self._remove(event.id)
        self._make_room(OWN_SIZE)
        self.interceptions[event.id] = interception = Interception(event, at)
        self.size += OWN_SIZE + json_size(event.id)
        texts: dict[str, Any] = {}
        for name in STARTED_TEXTS:
            text = getattr(event, name)
            if text and (kept := self._kept(interception, text)) != text:
                texts[name] = kept
        times = tool_times_size(event)
        if times and self._make_room(times) < times:
            texts["previous_tool_ms"], times = None, 0
        self.size += times
        if texts:
            interception.started = evolve(event, **texts)
        self.sessions.start(interception)
        self.totals.interceptions += 1

    _absorbs = Handlers()
    """What changes one interception by one event about it, at a time; other events tell nothing lasting."""

    @_absorbs.of(AttemptStarted)
    def _absorb_attempt_started(self, event: AttemptStarted, interception: Interception, at: datetime) -> None:
        interception.waiting_until = None
        self.totals.failovers += bool(interception.attempts) and interception.attempts[-1].failed
        self.sessions.serve(interception, event.key)
        interception.attempts.append(Attempt(attempt=event.attempt, key=event.key, started_at=at))
        self._make_room(FIXED)
        self.size += FIXED

    @_absorbs.of(AttemptFailed)
    def _absorb_attempt_failed(self, event: AttemptFailed, interception: Interception, _at: datetime) -> None:
        for place, attempt in enumerate(interception.attempts):
            if attempt.attempt == event.attempt:
                interception.attempts[place] = evolve(
                    attempt,
                    status=event.status,
                    reason=event.reason,
                    cooldown_s=event.cooldown_s,
                    cause_text=event.cause_text,
                )

    @_absorbs.of(InterceptionWaiting)
    def _absorb_waiting(self, event: InterceptionWaiting, interception: Interception, _at: datetime) -> None:
        interception.waiting_until = event.until

    @_absorbs.of(InterceptionSilent)
    def _absorb_silent(self, event: InterceptionSilent, interception: Interception, _at: datetime) -> None:
        interception.silence = OpenSilence(event.kind, event.since)

    @_absorbs.of(InterceptionHeard)
    def _absorb_heard(self, event: InterceptionHeard, interception: Interception, _at: datetime) -> None:
        if interception.silence is not None and interception.silence.kind is event.kind:
            interception.silence = None

    @_absorbs.of(ResponseStarted)
    def _absorb_response_started(self, event: ResponseStarted, interception: Interception, at: datetime) -> None:
        self.size -= json_size(interception.upstream_request_id)
        request_id = event.upstream_request_id
        interception.upstream_request_id = self._kept(interception, request_id) if request_id else request_id
        for place, attempt in enumerate(interception.attempts):
            if attempt.attempt == event.attempt:
                interception.attempts[place] = evolve(attempt, status=event.status)
                if event.status < 300:
                    self._settle(interception, attempt, at)

    @_absorbs.of(PromptRecorded)
    def _absorb_prompt_recorded(self, event: PromptRecorded, interception: Interception, _at: datetime) -> None:
        self.size -= json_size(interception.prompt)
        interception.prompt = None  # what makes room must not count it again
        interception.prompt = self._kept(interception, event.text)

    @_absorbs.of(ThoughtDelta)
    def _absorb_thought_delta(self, event: ThoughtDelta, interception: Interception, _at: datetime) -> None:
        place = self._thought(interception, event.index)
        if place is None:
            return  # it is counted when it is whole
        thought = interception.thoughts[place]
        more, lost = self._fit(event.text, 0 if thought.cut else LIMITS.text_bytes - utf8_size(thought.text))
        tokens = thought.estimated_tokens if event.estimated_tokens is None else event.estimated_tokens
        text, cut = thought.text + more, thought.cut + lost
        interception.thoughts[place] = evolve(thought, source=event.source, text=text, cut=cut, estimated_tokens=tokens)
        _cut(interception, lost)

    @_absorbs.of(ThoughtRecorded)
    def _absorb_thought_recorded(self, event: ThoughtRecorded, interception: Interception, _at: datetime) -> None:
        place = self._thought(interception, event.index)
        if place is None:
            interception.cut = evolve(interception.cut, thoughts=interception.cut.thoughts + 1)
            _cut(interception, utf8_size(event.text))
            return
        before = interception.thoughts[place]
        self.size -= json_size(before.text)
        text, lost = self._fit(event.text, LIMITS.text_bytes)
        interception.thoughts[place] = evolve(before, source=event.source, text=text, recorded=True, cut=lost)
        _cut(interception, lost - before.cut)

    @_absorbs.of(ThoughtWithheld)
    def _absorb_thought_withheld(self, event: ThoughtWithheld, interception: Interception, _at: datetime) -> None:
        place = self._thought(interception, event.index)
        if place is None:
            interception.cut = evolve(interception.cut, thoughts=interception.cut.thoughts + 1)
            return
        thought = interception.thoughts[place]
        interception.thoughts[place] = evolve(
            thought, withheld=event.reason, bytes=event.bytes, estimated_tokens=event.estimated_tokens, recorded=True
        )

    @_absorbs.of(AnswerDelta)
    def _absorb_answer_delta(self, event: AnswerDelta, interception: Interception, _at: datetime) -> None:
        before, cut = interception.answer, interception.cut.answer
        more, lost = self._fit(event.text, 0 if cut else LIMITS.text_bytes - utf8_size(before))
        interception.answer = before + more
        if lost:
            interception.cut = evolve(interception.cut, answer=cut + lost)
            _cut(interception, lost)

    @_absorbs.of(ToolCalled)
    def _absorb_tool_called(self, event: ToolCalled, interception: Interception, _at: datetime) -> None:
        arguments = event.arguments
        encoded = b"" if isinstance(arguments, str) else value_json(arguments)
        if len(interception.tools) >= LIMITS.tools or self._make_room(FIXED) < FIXED:
            interception.cut = evolve(interception.cut, tools=interception.cut.tools + 1)
            _cut(interception, utf8_size(arguments) if isinstance(arguments, str) else len(encoded))
            return
        self.size += FIXED
        told: dict[str, Any] = {name: getattr(event, name) for name in TOOL_FIELDS}
        cut = 0
        for name in TOOL_TEXTS:
            if told[name]:
                told[name], lost = self._fit(told[name], LIMITS.text_bytes)
                cut += lost
        is_text = isinstance(arguments, str) or len(encoded) > LIMITS.text_bytes
        size = 0 if is_text else value_size(encoded)  # to count it takes a while
        if is_text or self._make_room(size) < size:
            text = arguments if isinstance(arguments, str) else encoded.decode()
            told["arguments"], lost = self._fit(text, LIMITS.text_bytes)
            cut += lost
        else:
            self.size += size
        interception.tools.append(Tool(**told, cut=cut))
        _cut(interception, cut)

    @_absorbs.of(ToolResultBrought)
    def _absorb_tool_result_brought(self, event: ToolResultBrought, interception: Interception, _at: datetime) -> None:
        if len(interception.results) >= LIMITS.tool_results or self._make_room(FIXED) < FIXED:
            interception.cut = evolve(interception.cut, results=interception.cut.results + 1)
            _cut(interception, utf8_size(event.text))
            return
        self.size += FIXED
        name = event.tool_call_id
        kept = name if name is None else self._kept(interception, name)
        interception.results.append(Result(kept, event.bytes, event.is_error, self._kept(interception, event.text)))

    @_absorbs.of(ContextChanged)
    def _absorb_context_changed(self, event: ContextChanged, interception: Interception, _at: datetime) -> None:
        numbers = (event.messages, event.added, event.removed)
        interception.context = Context(*numbers, event.system_changed, event.tools_changed)

    @_absorbs.of(ModelServed)
    def _absorb_model_served(self, event: ModelServed, interception: Interception, _at: datetime) -> None:
        if interception.served is not None:
            self.size -= interception.served.size
            interception.served = None  # what makes room must not count it again
        if self._make_room(FIXED) < FIXED:
            return
        self.size += FIXED
        wanted = event.asked
        names = (event.model, event.service_tier, event.speed, wanted.model, wanted.service_tier, wanted.speed)
        model, tier, speed, *asked = [name if name is None else self._kept(interception, name) for name in names]
        interception.served = Serving(model, tier, speed, Asked(*asked))

    @_absorbs.of(Noted)
    def _absorb_noted(self, event: Noted, interception: Interception, _at: datetime) -> None:
        if len(interception.notes) >= LIMITS.notes or self._make_room(FIXED) < FIXED:
            interception.cut = evolve(interception.cut, notes=interception.cut.notes + 1)
            _cut(interception, utf8_size(event.text))
            return
        self.size += FIXED
        kind, text = self._kept(interception, event.kind), self._kept(interception, event.text)
        interception.notes.append(Note(kind, text))

    @_absorbs.of(TokensUsed)
    def _absorb_tokens_used(self, event: TokensUsed, interception: Interception, _at: datetime) -> None:
        if interception.tokens is None:
            interception.tokens = Tokens()
        interception.tokens.add(event)
        interception.tokens.context_window = event.context_window or interception.tokens.context_window
        self.totals.tokens.add(event)
        self.sessions.add(event, interception)

    @_absorbs.of(InterceptionEnded)
    def _absorb_ended(self, event: InterceptionEnded, interception: Interception, at: datetime) -> None:
        error = self._kept(interception, event.error) if event.error else event.error
        for name in ENDED_FIELDS:
            setattr(interception, name, getattr(event, name))
        interception.error, interception.ended_at, interception.waiting_until = error, at, None
        interception.silence = None
        self.sessions.add(event, interception)
        name = event.outcome.value
        setattr(self.totals, name, getattr(self.totals, name) + 1)
        interception.ended_nth = self.totals.ended
        self._ended[interception.id] = None
        while len(self._ended) > LIMITS.ended and self._forget():
            pass

    def _thought(self, interception: Interception, index: int) -> int | None:
        """Where the thought of that index stands, made where it is new; None where there is no room for another."""
        for place in range(len(interception.thoughts) - 1, -1, -1):
            if interception.thoughts[place].index == index:
                return place
        if len(interception.thoughts) >= LIMITS.thoughts or self._make_room(FIXED) < FIXED:
            return None
        interception.thoughts.append(Thought(index))
        self.size += FIXED
        return len(interception.thoughts) - 1

    def _kept(self, interception: Interception, text: str) -> str:
        """As much of a text as may be kept; the rest counts as cut from that interception."""
        kept, lost = self._fit(text, LIMITS.text_bytes)
        _cut(interception, lost)
        return kept

    def _fit(self, text: str, limit: int) -> tuple[str, int]:
        """As much of a text as fits into that limit and into the picture, and how many bytes that leaves out."""
        kept = clip(text, limit) if limit > 0 else ""
        need = json_size(kept)
        room = self._make_room(need)
        if need > room:
            kept = clip_json(kept, room)
            need = json_size(kept)
        self.size += need
        return kept, 0 if kept == text else utf8_size(text) - utf8_size(kept)

    def _make_room(self, size: int) -> int:
        """Forgets ended interceptions as long as there is not that much room. Returns how much there is."""
        room = LIMITS.picture_bytes if self.room is None else self.room
        while self.size + size > room and self._forget():
            pass
        return max(room - self.size, 0)

    def _forget(self) -> bool:
        """Forgets the one that ended first, if there is any."""
        oldest = next((id_ for id_ in self._ended if id_ != self._changing), None)
        if oldest is None:
            return False
        self._remove(oldest)
        self.totals.forgotten += 1
        return True

    def _remove(self, id_: str) -> None:
        self._ended.pop(id_, None)
        self.size -= self.interceptions.pop(id_).size


def _cut(interception: Interception, lost: int) -> None:
    if lost:
        interception.cut = evolve(interception.cut, bytes=interception.cut.bytes + lost)
