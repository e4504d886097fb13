"""The demo's provider: it plays the model in the agents' stories, and has three keys that do not all fare well."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import evolve

from bridge.simulator.answers import Mishap, ScriptedAnswer
from bridge.simulator.fates import Fate, KeyScript, parse_fates
from bridge.simulator.scenario.file import everyday
from bridge.simulator.scenario.scenario import Rule, Scenario
from bridge.simulator.scenario.stories import Role, roles


def demo_keys() -> list[str]:
    """The keys to give the bridge, in this order. They open nothing anywhere."""
    return [script.key for script in DEMO_SCENARIO.keys]


def _keys() -> tuple[KeyScript, ...]:
    """The first key is limited early and often, the second is refused once, the third holds out."""
    return (
        KeyScript("sk-demo-first-canary-4tq8Zw1nQxV7", _fates("ok*3 429:8 ok"), requests=30, tokens=120_000, per=45),
        KeyScript("sk-demo-second-canary-m3RkY6bLs2Hc", _fates("ok*5 401 ok"), requests=60, tokens=200_000),
        KeyScript("sk-demo-third-canary-p9XdT5jGa8Uf", _fates("ok*20 503:2 ok"), requests=90, tokens=300_000),
    )


def _fates(words: str) -> tuple[Fate, ...]:
    return tuple(fate for word in words.split() for fate in parse_fates(word))


def _rules(role: Role) -> Iterator[tuple[Rule, dict[str, ScriptedAnswer]]]:
    """What the model answers to each step of the role's stories, and of its subagents' work."""
    for title, work in role.work:
        cue = work.prompt
        for count, step in enumerate(work.steps, 1):
            name = f"{title}_{count}"
            broken = ScriptedAnswer(step.parts, step.mishap, step.usage)
            answers = {name: broken}
            if _breaks(step.mishap):
                answers = {f"{name}_broken": broken, name: evolve(broken, mishap=Mishap())}
            yield Rule(re.compile(rf"\A{re.escape(cue)}\Z"), tuple(answers)), answers
            cue = step.results[-1] if step.results else ""


def _breaks(mishap: Mishap) -> bool:
    """Whether an agent will ask again."""
    return any(ending is not None for ending in (mishap.incomplete, mishap.failed, mishap.error, mishap.dropped))


def _demo_scenario() -> Scenario:
    answers = dict(everyday().answers)
    rules: list[Rule] = []
    for role in roles():
        for rule, ruled in _rules(role):
            answers |= ruled
            rules.append(rule)
    return evolve(everyday(), answers=answers, rules=tuple(rules), keys=_keys())


DEMO_SCENARIO = _demo_scenario()
