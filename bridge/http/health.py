"""Asks an address whether a bridge listens there. Without Trio, for commands that run none."""

from __future__ import annotations

import http.client

import orjson

MOST_HEALTH = 64 * 1024
"""Bytes read of what something else may say."""


def bridge_on(host: str, port: int | None, timeout_s: float) -> int | None:
    """The process id of the bridge that has this address; None where something else does, or nothing in that time."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/healthz")
        found = orjson.loads(connection.getresponse().read(MOST_HEALTH))
        return int(found["pid"]) if "version" in found else None
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    finally:
        connection.close()
