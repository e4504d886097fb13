"""What is known of each agent's last request: the latest ones, and never more than its bounds."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.conversation import Fingerprints
from bridge.interception import contexts
from bridge.interception.contexts import Contexts, agent_key
from bridge.limits import LIMITS

FEW = evolve(LIMITS, contexts=3, context_messages=5, contexts_bytes=1000)


def sent(count: int) -> Fingerprints:
    """A request of so many messages."""
    return Fingerprints(array("q", range(count)), leading=0, system=0, tools=0, continues=False, has_tools=True)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7) | st.none())))
def test_any_sequence_of_requests_stays_within_the_bounds(requests: list[tuple[int, int | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, "LIMITS", FEW)
        known, model = Contexts(), dict[int, int]()
        for agent, count in requests:
            before = model.pop(agent, None)
            if count is None:
                known.forget(agent)
                continue
            told = known.changed(agent, "id", sent(count))
            assert (None if told is None else (told.messages, told.added, told.removed)) == (
                None
                if before is None or count > FEW.context_messages
                else (count, max(count - before, 0), max(before - count, 0))
            )
            if count <= FEW.context_messages:
                model[agent] = count
                while len(model) > FEW.contexts or sum(256 + 8 * each for each in model.values()) > FEW.contexts_bytes:
                    del model[next(iter(model))]
            assert len(known) == len(model)
            assert known.size == sum(256 + 8 * each for each in model.values())


def test_an_agent_is_known_by_its_session_and_its_own_name() -> None:
    names = [("s", None), ("s", "a"), ("t", "a"), ("s", "b")]
    assert len({agent_key(session, agent) for session, agent in names}) == len(names)
