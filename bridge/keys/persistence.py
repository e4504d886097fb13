"""Key states as rows that outlive the bridge: by fingerprint, never by key, times by the wall clock.

A row holds what keeps a key out, which request met it with which status, and whose answers said it is; a key that is
simply valid and of which no answer said whose it is has none. The provider's own words are not in it: the record has
them with the request, masked. What comes back is read with distrust: a row that makes no sense is skipped, and no
cooldown comes back longer than it was when it was saved, whatever the clock says.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from attrs import asdict, evolve

from bridge.events.times import parse_time
from bridge.events.values import DeadlineSource, FailureReason, KeyCause
from bridge.keys.groups import Account
from bridge.keys.key import CHECKS_S, Cooldown, Key
from bridge.keys.rate_limits import LONGEST_S
from bridge.keys.secret import Secret

Row = dict[str, str | float | int | bool | None]
"""Flat, ready for JSON or a table."""


def fingerprint(provider: str, secret: Secret, salt: bytes) -> str:
    """Names a key without telling it: HMAC-SHA256 under the installation's own salt, in hex."""
    return hmac.new(salt, f"{provider}\0{secret.reveal()}".encode(), hashlib.sha256).hexdigest()


def save(provider: str, keys: Iterable[Key], salt: bytes, now: float, wall: datetime) -> list[Row]:
    """Rows of all keys that something keeps out. `now` is monotonic, `wall` the aware time of the same moment."""
    rows: list[Row] = []
    for key in keys:
        learned = evolve(key.account, configured=None)
        if not key.disabled and key.refusal is None and key.cooldown is None and learned == Account():
            continue
        row: Row = {"fingerprint": fingerprint(provider, key.secret, salt), "disabled": key.disabled}
        if key.refusal is not None:
            check_at = now if key.check_at is None else key.check_at
            row |= {"refusal": str(key.refusal), "checks": key.checks, "check_at": _stamp(wall, check_at - now)}
            row |= _cause_row("refusal", key.accusation)
        if key.cooldown is not None:
            left = key.cooldown.until - now
            row |= {"cooldown_reason": str(key.cooldown.reason), "cooldown_source": key.cooldown.source}
            row |= {"cooldown_until": _stamp(wall, left), "cooldown_s": left}
            row |= _cause_row("cooldown", key.cooldown.cause)
        row |= {name: value for name, value in asdict(learned).items() if value is not None}
        rows.append(row)
    return rows


def restore(
    provider: str, keys: Iterable[Key], rows: Iterable[Mapping[str, Any]], salt: bytes, now: float, wall: datetime
) -> None:
    """Puts keys back into the states of their rows. Rows of other keys, or without sense, do nothing."""
    by_fingerprint = {fingerprint(provider, key.secret, salt): key for key in keys}
    for row in rows:
        key = by_fingerprint.get(str(row.get("fingerprint")))
        if key is None:
            continue
        organization, project = (_text(row.get(name)) for name in ("organization", "project"))
        key.account = evolve(key.account, organization=organization, project=project)
        key.disabled = row.get("disabled") in (True, 1)  # a table may hold 1
        refusal = _member(row.get("refusal"))
        if refusal is not None:
            checks = row.get("checks")
            step = checks if isinstance(checks, int) and 0 <= checks <= len(CHECKS_S) else 0
            delay = _seconds_until(row.get("check_at"), wall)
            check_at = now + min(max(delay or 0.0, 0.0), CHECKS_S[-1])
            key.restore_refusal(refusal, step, check_at, now, _cause(row, "refusal"))
        cooldown = _cooldown(row, now, wall)
        if cooldown is not None:
            key.restore_cooldown(cooldown, now)


def _cooldown(row: Mapping[str, Any], now: float, wall: datetime) -> Cooldown | None:
    reason, source = _member(row.get("cooldown_reason")), _source(row.get("cooldown_source"))
    left, saved = _seconds_until(row.get("cooldown_until"), wall), row.get("cooldown_s")
    if reason is None or source is None or left is None:
        return None
    if isinstance(saved, int | float) and math.isfinite(saved):
        left = min(left, saved)  # the wall clock was set back meanwhile
    left = min(left, LONGEST_S)
    return Cooldown(now + left, reason, source, _cause(row, "cooldown")) if left > 0 else None


def _cause_row(of: str, cause: KeyCause | None) -> Row:
    return {} if cause is None else {f"{of}_by": cause.id, f"{of}_status": cause.status}


def _cause(row: Mapping[str, Any], of: str) -> KeyCause | None:
    id_, status = _text(row.get(f"{of}_by")), row.get(f"{of}_status")
    known = status if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599 else None
    return None if id_ is None and known is None else KeyCause(id_, known)


def _stamp(wall: datetime, seconds: float) -> str:
    return (wall + timedelta(seconds=seconds)).astimezone(UTC).isoformat()


def _seconds_until(stamp: object, wall: datetime) -> float | None:
    moment = parse_time(stamp) if isinstance(stamp, str) else None
    return None if moment is None else (moment - wall).total_seconds()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _member(value: object) -> FailureReason | None:
    return next((reason for reason in FailureReason if reason == value), None)


def _source(value: object) -> DeadlineSource | None:
    return next((source for source in get_args(DeadlineSource) if source == value), None)
