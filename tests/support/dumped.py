"""Dumps as other programs read them: files that are HTTP."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from pathlib import Path

import h11
from attrs import frozen


@frozen
class Message:
    """A request or an answer in a file. `first` is the method and the target, or the status."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def request(path: Path) -> Message:
    """A dumped request, read as a server reads one."""
    events = _events(h11.Connection(h11.SERVER), path)
    head = events[0]
    assert isinstance(head, h11.Request)
    return Message(f"{head.method.decode()} {head.target.decode()}", _shown(head), _body(events))


def answer(path: Path, method: str = "POST") -> Message:
    """A dumped answer, read as a client reads one: by h11, and alike by the standard library."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    events = _events(client, path)
    head = events[0]
    assert isinstance(head, h11.Response)
    message = Message(str(head.status_code), _shown(head), _body(events))
    plain = HTTPResponse(Socket(path.read_bytes()), method=method)  # type: ignore[arg-type]  # all it needs of one
    plain.begin()
    assert (str(plain.status), plain.getheaders(), plain.read()) == (message.first, message.headers, message.body)
    return message


class Socket:
    """As much of a socket as the standard library reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """What comes."""
        return io.BytesIO(self._data)


def _events(connection: h11.Connection, path: Path) -> list[h11.Event]:
    connection.receive_data(path.read_bytes())
    events: list[h11.Event] = []
    while not isinstance(events[-1] if events else None, h11.EndOfMessage):
        event = connection.next_event()
        assert not isinstance(event, type), f"{path.name} ends before its message does"
        events.append(event)
    assert connection.trailing_data[0] == b"", f"{path.name} has more in it than a message"
    return events


def _shown(head: h11.Request | h11.Response) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in head.headers.raw_items()]


def _body(events: list[h11.Event]) -> bytes:
    return b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data))


def files(root: Path) -> list[Path]:
    """All files below a folder, by their paths."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def named(root: Path, ending: str) -> list[Path]:
    """The files whose names end so, in the order of their names."""
    return [path for path in files(root) if path.name.endswith(ending)]
