"""Reading recorded logs: what is made of good ones, and what is said of bad ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from bridge.events.picture import Picture
from bridge.events.vocabulary import AnswerDelta, EventsDropped
from bridge.events.wire import Envelope, Hello, Message, Reply, Snapshot, encode
from monitor.sources.event_log import BadLog, read_log
from tests.support.play import HELLO, START


def word(seq: int, seconds: float = 0.0) -> Envelope:
    return Envelope(seq, START + timedelta(seconds=seconds), AnswerDelta("a", f"{seq} "))


EMPTY = Snapshot.of(Picture(), 40, START)


def messages(path: Path, *said: Message, tail: bytes = b"") -> list[Message]:
    path.write_bytes(b"".join(map(encode, said)) + tail)
    return [entry.message() for entry in read_log(path)]


def test_a_log_is_played_as_it_was_heard(tmp_path: Path) -> None:
    heard = messages(tmp_path / "log", HELLO, EMPTY, word(41), Reply(1, ok=True), word(42, 2.0))
    assert [type(message) for message in heard] == [Hello, Snapshot, Envelope, Envelope]
    assert heard[0] == HELLO
    assert [message.seq for message in heard if isinstance(message, Snapshot | Envelope)] == [0, 1, 2]


def test_what_was_left_out_is_no_loss(tmp_path: Path) -> None:
    heard = messages(tmp_path / "log", word(7), word(90), Envelope(91, START, EventsDropped(3)), word(95))
    assert isinstance(heard[0], Hello)
    assert isinstance(heard[1], Snapshot)
    assert [message.seq for message in heard if isinstance(message, Envelope)] == [1, 2, 2, 3]


def test_one_log_may_follow_another(tmp_path: Path) -> None:
    again = evolve(HELLO, pid=2)
    heard = messages(tmp_path / "log", HELLO, EMPTY, word(41, 9.0), again, evolve(EMPTY, seq=0), word(1, 3.0))
    assert [type(message).__name__ for message in heard] == [
        "Hello",
        "Snapshot",
        "Envelope",
        "Hello",
        "Snapshot",
        "Envelope",
    ]
    times = [entry.at for entry in read_log(tmp_path / "log")]
    assert times == sorted(times)


def test_a_snapshot_is_fresh_each_time(tmp_path: Path) -> None:
    messages(tmp_path / "log", HELLO, EMPTY)
    entry = read_log(tmp_path / "log")[1]
    assert entry.message() is not entry.message()


def test_a_line_that_was_cut_off_at_the_end_is_left_out(tmp_path: Path) -> None:
    assert len(messages(tmp_path / "log", HELLO, EMPTY, word(41), tail=b'\n{"type":"answer.del')) == 3


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "there is no event in it; `clearspan tail --json > FILE` records some"),
        (encode(HELLO), "there is no event in it"),
        (b"\n" + encode(HELLO) + b"{\n", ":3: not JSON: "),
        (encode(HELLO) + b"[]\n", ":2: a message is a JSON object"),
        (encode(word(1)) + b'{"type":"answer.delta","seq":2}\n', ":2: not a valid 'answer.delta' message"),
        (encode(evolve(HELLO, protocol=2)), ":1: it speaks protocol 2, this monitor 1"),
        (encode(word(1)).replace(b"Z", b""), ":1: its time has no zone"),
        (b"\x89PNG\r\n", ":1: not JSON"),
        (b"SQLite format 3\0....", "is a record, not an event log"),
    ],
)
def test_a_bad_log_is_refused_in_a_line(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadLog) as refused:
        read_log(path)
    assert str(refused.value).startswith(str(path))
    assert fault in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadLog, match="no such file"):
        read_log(tmp_path / "nothing")
    with pytest.raises(BadLog, match="is a directory"):
        read_log(tmp_path)
