"""Past interceptions for other programs: one JSON object a line, or an HTTP Archive (HAR 1.2) for a network panel.

The record keeps what was understood, not the bytes that crossed. An archive therefore shows bodies as they were read,
and says so; everything recorded stands in each entry's `_clearspan`, a name that the format leaves to applications.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bridge import __version__

Fields = dict[str, Any]

AS_READ = "as Clearspan read it; the bytes themselves are not recorded"
NO_ANSWER = 0
"""What network panels show for a request that got no response."""


def json_lines(stories: Iterable[Fields]) -> Iterator[bytes]:
    """Each interception in full, on a line of its own."""
    return (orjson.dumps(story, option=orjson.OPT_APPEND_NEWLINE) for story in stories)


def archive(stories: Iterable[Fields], base_url: str) -> bytes:
    """All of them as one HTTP Archive, oldest first; `base_url` is where the bridge was, for the entries' URLs."""
    log = {
        "version": "1.2",
        "creator": {"name": "Clearspan", "version": __version__},
        "entries": [_entry(story, base_url) for story in sorted(stories, key=itemgetter("started_at"))],
    }
    return orjson.dumps({"log": log}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _entry(story: Fields, base_url: str) -> Fields:
    total = story["duration_ms"] or 0.0
    waited = min(story["first_byte_ms"] if story["first_byte_ms"] is not None else total, total)
    return {
        "startedDateTime": story["started_at"],
        "time": total,
        "request": _request(story, base_url),
        "response": _response(story),
        "cache": {},
        "timings": {"send": 0, "wait": waited, "receive": round(total - waited, 3)},
        "comment": f"{story['client']}, {story['outcome'] or 'still running'}",
        "_clearspan": story,
    }


def _request(story: Fields, base_url: str) -> Fields:
    query = story["query"] or ""
    read = {
        "model": story["model"],
        "stream": story["streaming"],
        "prompt": [prompt["text"] for prompt in story["prompts"]],
        "tool_results": story["results"],
    }
    return {
        "method": story["method"],
        "url": base_url + story["path"] + (f"?{query}" if query else ""),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": "User-Agent", "value": story["user_agent"]}] if story["user_agent"] else [],
        "queryString": [{"name": name, "value": value} for name, value in parse_qsl(query, keep_blank_values=True)],
        "postData": {"mimeType": "application/json", "params": [], "text": _text(read), "comment": AS_READ},
        "headersSize": -1,
        "bodySize": -1,
    }


def _response(story: Fields) -> Fields:
    status = story["status"] or NO_ANSWER
    read = {name: story[name] for name in ("thoughts", "tools", "notes", "tokens")}
    if story["error"]:
        read["error"] = story["error"]
    request_id = story["upstream_request_id"]
    return {
        "status": status,
        "statusText": HTTPStatus(status).phrase if status in set(HTTPStatus) else "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": "x-request-id", "value": request_id}] if request_id else [],
        "content": {
            "size": story["bytes_out"] or 0,
            "mimeType": "application/json",
            "text": _text(read),
            "comment": AS_READ,
        },
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": story["bytes_out"] if story["bytes_out"] is not None else -1,
    }


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
