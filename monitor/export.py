"""What a person takes away from a request: a file with all that is known of it, and a curl command that asks it again.

Neither holds a secret, because no event does. The command authorises itself with the pool's word, which makes the
bridge use its own keys.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen

from bridge.events.entries import Interception, Totals
from bridge.events.place import ANTHROPIC_VERSION, DEFAULT_URL, POOL_WORD
from bridge.events.times import format_time
from bridge.events.wire import Snapshot, encode
from bridge.terminal_text import printable
from monitor.state.trace import Trace

UNKNOWN = "–"  # noqa: RUF001  an en dash
"""Stands in for a prompt that was not recorded."""

LONGEST_ANSWER = 4096
"""Tokens that the Messages API is to answer at most; it wants to be told."""


@frozen
class CurlRequest:
    """How an API is asked a prompt: the body around model and prompt, and the headers that it insists on."""

    body: Callable[[str], dict[str, Any]]
    headers: tuple[str, ...] = ()


def _messages(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


# What is not here, such as a request that is passed through, gets a command without a body: nothing is known of one.
CURL_REQUESTS: dict[str, CurlRequest] = {
    "responses": CurlRequest(lambda prompt: {"input": prompt}),
    "chat_completions": CurlRequest(lambda prompt: {"messages": _messages(prompt)}),
    "messages": CurlRequest(
        lambda prompt: {"max_tokens": LONGEST_ANSWER, "messages": _messages(prompt)},
        headers=(f"anthropic-version: {ANTHROPIC_VERSION}",),
    ),
}


def as_json(request: Interception, trace: Trace) -> str:
    """The request as the event socket tells of it, and its events with their times. ASCII: safe to print."""
    line = encode(Snapshot(0, request.started_at, [], [request], Totals()))
    fields: dict[str, Any] = json.loads(line)["interceptions"][0]
    fields["trace"] = {
        "whole": trace.whole and not trace.left_out,
        "left_out": trace.left_out,
        "entries": [
            {
                "at": format_time(entry.at),
                "until": format_time(entry.until),
                "type": entry.kind,
                "number": entry.number,
                "text": entry.text,
                "count": entry.count,
                "size": entry.size,
            }
            for entry in trace.entries
        ],
    }
    return json.dumps(fields, indent=2) + "\n"


def save(text: str, name: str, directories: list[Path]) -> Path:
    """Writes a new file for its owner alone into the first directory that takes it; never over another.

    Raises OSError where none does.
    """
    problem: OSError = FileNotFoundError("no directory to write to")
    for directory in directories:
        try:
            return _create(text, name, directory)
        except OSError as error:
            problem = error
    raise problem


def _create(text: str, name: str, directory: Path) -> Path:
    for number in range(1, 1_000):
        path = directory / (f"{name}.json" if number == 1 else f"{name}-{number}.json")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{directory} holds a thousand exports of it already")


def file_name(request: Interception) -> str:
    """A name from the request's id, of letters, digits and dashes whatever the id is."""
    safe = "".join(letter for letter in request.id if letter.isascii() and (letter.isalnum() or letter == "-"))
    return f"clearspan-{safe[:8] or 'request'}"


def curl(request: Interception, url: str | None) -> str:
    """A command that asks the same again: model and prompt as far as they are known; the bridge keeps no bodies.

    The query is left out: it may hold a key.
    """
    base = (url or DEFAULT_URL).rstrip("/")
    path = request.started.path.partition("?")[0]
    words = ["curl", "-sS", "-N"] if request.started.streaming else ["curl", "-sS"]
    words += ["-X", request.started.method, f"{base}{path}", "-H", f"Authorization: Bearer {POOL_WORD}"]
    known = CURL_REQUESTS.get(request.started.api)
    if known is not None:
        prompt = request.prompt if request.prompt is not None else UNKNOWN
        body = {"model": request.started.model, **known.body(prompt), "stream": request.started.streaming}
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        words += [word for header in known.headers for word in ("-H", header)]
    return shlex.join(printable(word) for word in words) + "\n"
