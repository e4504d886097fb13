"""The line that Claude Code shows below its prompt: what the session used, asked of the bridge for each paint.

Claude Code runs the command of its setting `statusLine` every few hundred milliseconds at most, gives it JSON with the
`session_id` on standard input, and shows the first line that it prints. So this loads little, waits a second at most,
and whatever goes wrong is said in that line.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from bridge.terminal_text import visible_start as visible

ANSWER_S = 1.0
INPUT_BYTES = 1024 * 1024
TOKEN_VARIABLES = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
"""Where Claude Code's own credential stands, which it passes on to the command: a bridge that asks for a client token
gets the same one."""


def command_line(url: str) -> str:
    """What belongs into Claude Code's setting: this Python, so that it works whatever the PATH is."""
    return shlex.join([sys.executable, "-m", "bridge", "status-line", url])


def status_line(url: str, given: BinaryIO, environment: Mapping[str, str] = os.environ) -> str:
    """The line for the session that the JSON in `given` names."""
    try:
        session = json.loads(given.read(INPUT_BYTES))["session_id"]
        usage = _ask(url, str(session), environment)
    except (KeyError, TypeError, ValueError):
        return "clearspan: no session in what Claude Code said"
    except (OSError, HTTPException):
        return "clearspan: no answer"
    return visible(_line(usage))


def _ask(url: str, session: str, environment: Mapping[str, str]) -> dict[str, Any]:
    place = urlsplit(url)
    token = next((environment[name] for name in TOKEN_VARIABLES if environment.get(name)), "clearspan")
    connection = HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_S)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", f"/clearspan/self?session={quote(session, safe='')}", headers=headers)
        answer = connection.getresponse()
        page = answer.read()
        if answer.status != 200:
            raise HTTPException(answer.status)
    finally:
        connection.close()
    usage: dict[str, Any] = json.loads(page)
    return usage


def _line(usage: dict[str, Any]) -> str:
    if not usage["found"]:
        return "clearspan: nothing used yet"
    context, key = usage["context"], usage["key"]
    parts = [_cost(usage)] if usage["cost_usd"] is not None else []
    if context["used"] is not None:
        window = context["window"]
        parts.append(f"ctx {context['used'] / window:.0%}" if window else f"ctx {context['used'] / 1000:.0f}k")
    parts.append(f"cache {usage['cache_share']:.0%}")
    if key["hint"]:
        parts.append(f"key {key['hint']} {key['state'] or ''}".rstrip())
    return " · ".join(parts)


def _cost(usage: dict[str, Any]) -> str:
    mark = "≥" if usage["unpriced"] else "~" if usage["partial"] else ""
    return f"{mark}${usage['cost_usd']:.2f}"
