"""What each agent sent last, by fingerprints, to tell what its next request changes (docs/behaviour.md, Conversations).

An agent is known by its session and its own id. Nothing is kept but 8 bytes for each message, of the latest agents
alone (`bridge.limits`). Fingerprints take time, so they are made of what was asked for, by whoever asks, and never
before the request is on its way upstream.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio

from bridge.apis.conversation import Fingerprints, change, of_two
from bridge.events.vocabulary import ContextChanged
from bridge.limits import LIMITS
from bridge.observe.logs import logger

log = logger("interception")

UNDER_WAY_S = 0.01
"""After so long a request has gone to its provider, which takes longer to answer: time that is nobody's."""

_OWN_SIZE = 256
"""Bytes that an agent takes beside its messages, about."""


class Contexts:
    """The last request of each agent."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Fingerprints] = OrderedDict()
        self.size = 0
        """Bytes that all take, about."""

    def changed(self, agent: int, id_: str, now: Fingerprints) -> ContextChanged | None:
        """What the interception of that id changes; None for an agent's first, and for what it asks beside its
        conversation, or is too long to keep."""
        before = self._known.get(agent)
        if before is not None and of_two(before, now):
            if before.has_tools:
                self._known.move_to_end(agent)
                return None
            before = None
        self.forget(agent)
        if len(now.messages) > LIMITS.context_messages:
            return None
        self._known[agent] = now
        self.size += _size(now)
        while len(self._known) > LIMITS.contexts or self.size > LIMITS.contexts_bytes:
            _, oldest = self._known.popitem(last=False)
            self.size -= _size(oldest)
        return None if before is None else change(id_, before, now)

    def forget(self, agent: int) -> None:
        """Its next request is a first again: one was missed between."""
        before = self._known.pop(agent, None)
        if before is not None:
            self.size -= _size(before)

    def __len__(self) -> int:
        """How many agents are known."""
        return len(self._known)


class Comparison:
    """One request's comparison with the one before: made while the provider is waited for, or else at the end."""

    def __init__(
        self,
        contexts: Contexts,
        agent: int,
        id_: str,
        fingerprints: Callable[[], Fingerprints],
        tell: Callable[[ContextChanged], None],
    ) -> None:
        self._contexts = contexts
        self._agent = agent
        self._id = id_
        self._fingerprints: Callable[[], Fingerprints] | None = fingerprints
        self._tell = tell

    async def run(self) -> None:
        """Makes it in a moment."""
        await trio.sleep(UNDER_WAY_S)
        self.settle()

    def settle(self) -> None:
        """Makes it now, unless it is made. Never raises."""
        fingerprints, self._fingerprints = self._fingerprints, None
        if fingerprints is None:
            return
        try:
            changed = self._contexts.changed(self._agent, self._id, fingerprints())
        except Exception:  # a boundary: what is found out about a request must not harm it
            log.exception("a conversation could not be compared", interception=self._id)
            return
        if changed is not None:
            self._tell(changed)


def agent_key(session_id: str, agent_id: str | None) -> int:
    """What an agent is known by, whatever the length of its names."""
    return hash((session_id, agent_id))


def _size(prints: Fingerprints) -> int:
    return _OWN_SIZE + 8 * len(prints.messages)
