"""A secret may be the name of a member of a tool's arguments: it is masked there too."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.events.hub import Hub
from bridge.events.vocabulary import Event, ToolCalled
from bridge.events.wire import Envelope, encode
from bridge.observe.logs import redactor
from tests.events.interceptions import started

SECRET = "sk-canary-as-a-name-0001"
HINT = "sk-c...0001"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({SECRET: 1}, {HINT: 1}),
        ({f"Bearer {SECRET}": None}, {f"Bearer {HINT}": None}),
        ({"a": [{"b": {SECRET: SECRET}}]}, {"a": [{"b": {HINT: HINT}}]}),
    ],
)
def test_it_is_masked_at_any_depth(arguments: dict[str, Any], told: dict[str, Any]) -> None:
    seen: list[Event] = []
    hub = Hub()
    hub.add_sink(lambda envelope: seen.append(_kept(envelope)))
    secrets = redactor.also([(SECRET, HINT)])
    hub.publish(started("a"), None, secrets)
    hub.publish(ToolCalled("a", "r", "call_1", "read", arguments), None, secrets)
    assert isinstance(seen[1], ToolCalled)
    assert seen[1].arguments == told
    assert SECRET.encode() not in encode(hub.snapshot())


def _kept(envelope: Envelope) -> Event:
    return envelope.event
