"""The simulated provider's everyday answers, as the SDKs are to find them again."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from bridge.simulator.fates import parse_fates
from bridge.simulator.scenario.file import everyday
from bridge.simulator.scenario.scenario import Scenario


def fated(*fates: str) -> Scenario:
    """Every key fares like this, then the everyday answers come."""
    return evolve(everyday(), other_keys=tuple(fate for word in fates for fate in parse_fates(word)))


def parts(name: str, kind: type) -> list[Any]:
    """The parts of that kind in the answer of that name."""
    return [part for part in everyday().answers[name].parts if isinstance(part, kind)]
