"""What becomes of an API key's requests: the fates that a scenario gives it, in the order of its requests.

A fate is written `NAME`, `NAME:SECONDS` or `NAME:SECONDS:FORM`, each also with `*TIMES` behind it:

    ok                 the scenario's answer          answer:NAME    that answer, whatever was asked
    wait:SECONDS       the answer, its head held back so long
    429  429:7  429:7:ms  429:7:date  rate limited, without or with Retry-After (or retry-after-ms, a date)
    insufficient_quota the account has run out        401            the key is refused
    403                the key may not                403:model      the key may not use this model
    500  502  504      the server failed              503  503:2     overloaded, without or with Retry-After
    529  529:2         overloaded, as Anthropic says it
"""

from __future__ import annotations

import re

from attrs import field
from attrs.validators import ge, gt, min_len, optional

from bridge.simulator.request import Refusal, Trouble
from bridge.value_classes import frozen

_FATE = re.compile(r"(?P<name>[a-z0-9_]+)(?::(?P<detail>[^:*]+))?(?::(?P<form>[a-z]+))?(?:\*(?P<times>[1-9][0-9]*))?")
_TROUBLES = {
    "429": Trouble.REQUESTS_LIMITED,
    "insufficient_quota": Trouble.QUOTA,
    "401": Trouble.UNAUTHORIZED,
    "403": Trouble.FORBIDDEN,
    "500": Trouble.SERVER_ERROR,
    "502": Trouble.SERVER_ERROR,
    "503": Trouble.OVERLOADED,
    "504": Trouble.SERVER_ERROR,
    "529": Trouble.OVERLOADED,
}
_TIMED = ("429", "503", "529")
_FORMS = ("seconds", "ms", "date")


@frozen
class Fate:
    """One request's fate: a refusal, or an answer: the named one or the scenario's choice, after `wait` seconds."""

    refusal: Refusal | None = None
    answer: str | None = None
    wait: float = 0.0


OK = Fate()


@frozen
class KeyScript:
    """One API key's life. After the last fate it begins again with `cycle`, else the last one stays.

    `requests` and `tokens` are what the key may use in `per` seconds: a window opens with its first request, and a
    request beyond it is answered 429 with the time that is left of it, without using up a fate.
    """

    key: str = field(repr=False, validator=min_len(1))
    fates: tuple[Fate, ...] = field(default=(OK,), validator=min_len(1))
    cycle: bool = False
    requests: int | None = field(default=None, validator=optional(ge(0)))
    tokens: int | None = field(default=None, validator=optional(ge(0)))
    per: float = field(default=60.0, validator=gt(0))
    organization: str | None = None
    """Whose the key is, as answers name it; None: whose nobody else's is."""


def parse_fates(text: str) -> tuple[Fate, ...]:
    """The fates that one word of a scenario stands for. Raises ValueError with what is wrong."""
    match = _FATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no fate; write it like 'ok', '429:7', '401' or 'ok*3'")
    name, detail, form = match["name"], match["detail"], match["form"]
    return (_fate(name, detail, form),) * int(match["times"] or 1)


def _fate(name: str, detail: str | None, form: str | None) -> Fate:
    if form is not None and (name not in _TIMED or form not in _FORMS):
        raise ValueError(f"'{name}' can't have ':{form}'; only {', '.join(_TIMED)} take one of {', '.join(_FORMS)}")
    match name, detail:
        case "ok", None:
            return OK
        case "answer", str():
            return Fate(answer=detail)
        case "wait", str():
            return Fate(wait=_seconds(name, detail))
        case "403", "model":
            return Fate(Refusal(Trouble.MODEL_FORBIDDEN))
        case _ if name not in _TROUBLES:
            names = ", ".join(["ok", "answer:NAME", "wait:SECONDS", "403:model", *_TROUBLES])
            raise ValueError(f"there is no fate {name!r}; there are {names}")
        case _, str() if name not in _TIMED:
            raise ValueError(f"'{name}' can't have ':{detail}'; only {', '.join(_TIMED)} take seconds")
    status = int(name) if name.isdigit() else None
    retry_after = None if detail is None else _seconds(name, detail)
    return Fate(Refusal(_TROUBLES[name], status=status, retry_after=retry_after, retry_form=form or "seconds"))


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(f"'{name}:{text}': after the colon stands a number of seconds") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"'{name}:{text}': the seconds can't be negative or endless")
    return seconds
