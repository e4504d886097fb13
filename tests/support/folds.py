"""Messages folded into the monitor's state, as a bridge would tell them, and what comes of them as text."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from bridge.events.picture import Picture
from bridge.events.vocabulary import BridgeStopping, Event
from bridge.events.wire import Envelope, Message, Snapshot, decode, encode
from monitor.lines.span import Line
from monitor.state.state import Incoming, MonitorState
from tests.support.play import HELLO, START, ended, keys, spent, started, story


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def envelopes(events: list[Event]) -> list[Envelope]:
    return [Envelope(number, START + at(number), event) for number, event in enumerate(events, 1)]


def snapshot_after(sent: list[Envelope]) -> Snapshot:
    picture = Picture()
    for envelope in sent:
        picture.apply(envelope.event, envelope.at)
    last = sent[-1] if sent else Envelope(0, START, BridgeStopping(""))
    return Snapshot.of(picture, last.seq, last.at)


def travelled(message: Message) -> Message:
    """The message as it comes out of the socket."""
    arrived = decode(encode(message))
    assert arrived is not None
    return arrived


def fold(*incoming: Incoming) -> MonitorState:
    state = MonitorState()
    for number, message in enumerate(incoming):
        state.apply(message, START + at(number))
    return state


def live(*events: Event) -> MonitorState:
    return fold(HELLO, snapshot_after([]), *envelopes(list(events)))


STREAMS = ([*story("a"), spent("a"), ended("a")], story("b"), keys(), [started("c"), ended("c")])


def _woven(order: list[int]) -> list[Event]:
    streams = [iter(stream) for stream in STREAMS]
    return [next(streams[number]) for number in order]


HISTORIES = st.permutations([number for number, stream in enumerate(STREAMS) for _ in stream]).map(_woven)
"""Events as a bridge tells them: those of one request in their order, requests in any."""


def after(*events: Event) -> MonitorState:
    state = MonitorState()
    state.apply(HELLO, START)
    state.apply(Snapshot.of(Picture(), 0, START), START)
    for number, event in enumerate(events, 1):
        state.apply(Envelope(number, START, event), START)
    return state


def tell(state: MonitorState, *events: Event) -> None:
    """Tells more to that state."""
    for event in events:
        state.apply(Envelope(state.seq + 1, START, event), START)


def plain(line: Line) -> str:
    return "".join(text for text, _tone in line)
