"""When the bell rings, and what it says: keys are out, an agent has finished, an agent is quiet."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from textual.pilot import Pilot

from bridge.events.values import KeyState, Outcome, RateLimit, RateLimits, SilenceKind
from bridge.events.vocabulary import (
    Event,
    InterceptionHeard,
    InterceptionSilent,
    KeyChanged,
    PromptRecorded,
    ToolCalled,
)
from bridge.events.wire import Envelope
from monitor.lines.messages import BELL, alerts
from monitor.state.alerts import Alert, Alerts
from monitor.state.state import MonitorState
from tests.support.folds import after
from tests.support.hands import play, press
from tests.support.play import START, Stage, ended, started

ONE, TWO = KeyChanged("openai", "o-1", KeyState.VALID), KeyChanged("openai", "o-2", KeyState.DISABLED)
BENCHED = KeyChanged("openai", "o-1", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=20), "header")
USED_UP = KeyChanged("openai", "o-1", KeyState.VALID, limits=RateLimits(RateLimit(5, 0, START + timedelta(seconds=42))))
USED_UP_AGAIN = KeyChanged(
    "openai", "o-1", KeyState.VALID, limits=RateLimits(RateLimit(5, 0, START + timedelta(seconds=62)))
)
SUBAGENT = {"agent_id": "sub", "parent_agent_id": "main"}


class Watch:
    """A state that goes on, and somebody who listens for the bell."""

    def __init__(self, *events: Event) -> None:
        self.state = MonitorState()
        self.seq = 0
        self.alerts = Alerts()
        self.rings_for(0, *events)
        self.alerts.switch(self.state, START)

    def rings_for(self, seconds: float, *events: Event) -> list[str]:
        """What it says once these events have come, so many seconds after the start."""
        now = START + timedelta(seconds=seconds)
        for event in events:
            self.seq += 1
            self.state.apply(Envelope(self.seq, now, event), now)
        return [alerts([alert], self.state)[0] for alert in self.alerts.due(self.state, now)]


def test_it_rings_once_when_the_last_key_is_out() -> None:
    assert Alerts().due(after(BENCHED, TWO), START) == []  # nobody asked
    watch = Watch(ONE, TWO)
    assert watch.rings_for(0) == []
    assert watch.rings_for(1, BENCHED) == ["all keys of openai are out"]
    assert watch.rings_for(2) == []
    assert watch.rings_for(21, ONE) == []
    assert watch.rings_for(22, USED_UP) == ["all keys of openai are out"]
    assert watch.rings_for(43) == []  # it is whole again, and nobody has said so
    assert watch.rings_for(44, USED_UP_AGAIN) == ["all keys of openai are out"]


def test_what_is_so_already_when_it_is_turned_on_is_seen_already() -> None:
    watch = Watch(BENCHED, TWO, started("a"), ended("a"), started("b", session_id="2"), silent("b", 0))
    assert watch.rings_for(5) == []
    assert watch.rings_for(70) == ["Codex 2 quiet for 60s: pings only"]
    watch.alerts.switch(watch.state, START)
    assert watch.rings_for(80, started("c", session_id="3"), ended("c")) == []  # nobody asks any more


def silent(id_: str, seconds: float) -> InterceptionSilent:
    return InterceptionSilent(id_, SilenceKind.PINGS_ONLY, at(seconds))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_it_rings_when_an_agent_has_finished_its_turn() -> None:
    watch = Watch()
    assert watch.rings_for(1, started("a")) == []
    assert watch.rings_for(2, ToolCalled("a", "r", "call_1", "shell", {}), ended("a")) == []  # which it runs now
    assert watch.rings_for(3, started("b")) == []
    assert watch.rings_for(4, ended("b")) == ["Codex 1 finished"]
    assert watch.rings_for(5) == []
    assert watch.rings_for(6, started("c")) == []
    assert watch.rings_for(7, ended("c")) == ["Codex 1 finished"]


@pytest.mark.parametrize(
    ("tool", "rings"),
    [
        (ToolCalled("a", "r", "call_1", "shell", {}), False),
        (ToolCalled("a", "r", None, "shell", {}), False),
        (ToolCalled("a", "r", "ws_1", "web_search_call", {}), True),
        (ToolCalled("a", "r", "srvtoolu_1", "web_search", {}), True),
        (ToolCalled("a", "r", "call_1", "bmcp_docs_find", {}, injected=True), True),
        (ToolCalled("a", "r", "x", "find", {}, server_url="https://tools.example"), True),
    ],
)
def test_a_call_that_the_agent_runs_is_no_end(tool: ToolCalled, *, rings: bool) -> None:
    assert Watch(started("a")).rings_for(1, tool, ended("a")) == (["Codex 1 finished"] if rings else [])


def test_only_a_main_agents_turn_is_a_persons_turn() -> None:
    watch = Watch(started("a"), ToolCalled("a", "r", "call_1", "Task", {}), ended("a"))
    assert watch.rings_for(1, started("b", **SUBAGENT), ended("b")) == []
    assert watch.rings_for(2, started("t", request_class="title"), ended("t")) == []
    assert watch.rings_for(3, started("p", api="passthrough"), ended("p")) == []
    assert watch.rings_for(4, started("c"), ended("c")) == ["Codex 1 finished"]


@pytest.mark.parametrize(
    "end", [ended("a", Outcome.FAILED, error="overloaded"), ended("a", Outcome.REJECTED, error="overloaded")]
)
def test_after_a_failure_it_rings_once_no_retry_has_come(end: Event) -> None:
    watch = Watch(started("a"))
    assert watch.rings_for(0, end) == []
    assert watch.rings_for(29) == []
    assert watch.rings_for(30) == ["Codex 1 failed, and has not tried again: overloaded"]
    retried = Watch(started("a"))
    assert retried.rings_for(20, end, started("b")) == []
    assert retried.rings_for(60) == []
    left = Watch(started("a"))
    assert left.rings_for(60, ended("a", Outcome.CANCELLED)) == []
    refused = Watch(started("a"))
    assert refused.rings_for(0, ended("a", status=400)) == []
    assert refused.rings_for(31) == ["Codex 1 failed, and has not tried again"]


def test_it_rings_once_for_each_minute_long_silence() -> None:
    watch = Watch(started("a"))
    assert watch.rings_for(10, silent("a", 0)) == []
    assert watch.rings_for(59.9) == []
    assert watch.rings_for(60) == ["Codex 1 quiet for 60s: pings only"]
    assert watch.rings_for(90) == []
    assert watch.rings_for(91, InterceptionHeard("a", SilenceKind.PINGS_ONLY, START)) == []
    assert watch.rings_for(101, silent("a", 91)) == []
    assert watch.rings_for(151) == ["Codex 1 quiet for 60s: pings only"]
    assert watch.rings_for(152, ended("a", Outcome.CANCELLED)) == []


def test_many_that_begin_at_once_are_one_line() -> None:
    events: list[Event] = []
    for number in range(5):
        events += [started(f"r{number}", session_id=f"s{number}"), ended(f"r{number}")]
    state = after(*events)
    asked = Alerts()
    asked.switch(MonitorState(), START)
    begun = asked.due(state, START)
    assert alerts(begun, state) == ("Codex 1 finished · Codex 2 finished · Codex 3 finished · 2 more", "good")
    assert alerts([*begun[:1], Alert("keys out", "openai")], state)[1] == "bad"


def test_the_terminal_is_told_of_an_agent_and_nothing_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        written: list[str] = []
        driver = stage.app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", lambda text: written.extend([text] if "\a" in text[:1] else []))
        stage.greet()
        stage.tell(started("a", client="Co\x1bdex"), PromptRecorded("a", "r", "hi"))
        await press(stage, pilot, "b")
        assert BELL in await stage.until(pilot, "bell when all keys")
        stage.tell(ended("a"))
        await stage.until(pilot, "Co␛dex 1 finished")
        await stage.paint(pilot)
        assert written == ["\a\x1b]9;Co␛dex 1 finished\a"]
        stage.tell(started("b", client="Co\x1bdex"), InterceptionSilent("b", SilenceKind.NO_BYTES, stage.clock.now))
        stage.clock.forward(60)
        await stage.until(pilot, "Co␛dex 1 quiet for 60s: socket silent")
        assert written[1:] == ["\a\x1b]9;Co␛dex 1 quiet for 60s: socket silent\a"]

    play((80, 24), act)
