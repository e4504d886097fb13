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
from bridge.limits import LIMITS
from bridge.terminal_text import printable
from monitor.state.trace import Trace

LONGEST_ANSWER = 4096
"""Tokens that the Messages API is to answer at most; it wants to be told."""


WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods of requests that say all in their path."""

LONGEST_CHARACTER = 4
"""Bytes of UTF-8: a text that was cut may miss so many of what is kept at most."""


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
    return f"clearspan-{safe(request.id)}"


def safe(id_: str) -> str:
    """The beginning of an id as a part of a file's name."""
    letters = "".join(letter for letter in id_ if letter.isascii() and (letter.isalnum() or letter == "-"))
    return letters[:8] or "request"


class NotKnown(Exception):
    """Of a request that is to be asked again, a part is not known; the text says which."""


def curl(request: Interception, url: str | None) -> str:
    """A command that asks the same again: model and prompt; the bridge keeps no bodies, and no other messages.

    The query is left out: it may hold a key. Raises NotKnown where the command would ask something else.
    """
    base = (url or DEFAULT_URL).rstrip("/")
    started = request.started
    path = started.path.partition("?")[0]
    words = ["curl", "-sS", "-N"] if started.streaming else ["curl", "-sS"]
    words += ["-I"] if started.method == "HEAD" else ["-X", started.method]
    words += [f"{base}{path}", "-H", f"Authorization: Bearer {POOL_WORD}"]
    known = CURL_REQUESTS.get(started.api)
    if known is not None:
        body = {"model": started.model, **known.body(_prompt(request)), "stream": started.streaming}
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        words += [word for header in known.headers for word in ("-H", header)]
    elif started.method not in WITHOUT_BODY:
        raise NotKnown("what it sent is not recorded: it was passed through")
    return shlex.join(printable(word) for word in words) + "\n"


def has_curl(request: Interception) -> bool:
    """Whether there is a command that asks the same again; it is not made for that, since frames ask."""
    if request.started.api not in CURL_REQUESTS:
        return request.started.method in WITHOUT_BODY
    try:
        _prompt(request)
    except NotKnown:
        return False
    return True


def _prompt(request: Interception) -> str:
    if request.started.unread is not None:
        raise NotKnown(f"its prompt is not known: {printable(request.started.unread)}")
    if request.started.model is None:
        raise NotKnown("it names no model")
    if request.prompt is None:
        raise NotKnown("its prompt is not recorded" if not request.live else "its prompt is not known yet")
    if len(request.prompt.encode(errors="replace")) > LIMITS.text_bytes - LONGEST_CHARACTER:
        raise NotKnown("its prompt is too long to be kept whole")
    return request.prompt
