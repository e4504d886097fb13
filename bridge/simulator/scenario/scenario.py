"""A scenario: which answers there are, when each is given, how fast, and the fate of each API key.

Whoever asks gets, in this order of precedence: what the key's fate says; the answer that the request names itself (in
the header `X-Simulate-Answer`, or as "simulate NAME" in the text of its last input); the first rule whose pattern is
found in that text, its answers in turn; where the last input is a tool's result, what follows the answer that the
prompt named (`then`), or the next of `after_tools`; the next of `turns`. All turns begin again at their end. Its calls
are then made to fit the tools of the request (`../tools.py`). `file.py` reads scenarios from TOML.
"""

from __future__ import annotations

import re

from attrs import Factory, field
from attrs.validators import min_len

from bridge.simulator.answers import ScriptedAnswer
from bridge.simulator.fates import OK, Fate, KeyScript
from bridge.simulator.request import ModelRequest, Refusal, Trouble, since_prompt
from bridge.simulator.streaming import Pace
from bridge.simulator.tools import calls_injected, with_offered
from bridge.value_classes import frozen


@frozen
class Rule:
    """The answers for inputs in whose text `when` is found."""

    when: re.Pattern[str]
    answers: tuple[str, ...] = field(validator=min_len(1))


@frozen
class Scenario:
    """All that a simulated provider does. A key that is not among `keys` fares as `other_keys` says."""

    answers: dict[str, ScriptedAnswer]
    turns: tuple[str, ...] = field(validator=min_len(1))
    after_tools: tuple[str, ...] = field(default=Factory(lambda self: self.turns, takes_self=True))
    rules: tuple[Rule, ...] = ()
    keys: tuple[KeyScript, ...] = ()
    other_keys: tuple[Fate, ...] = (OK,)
    pace: Pace = Factory(Pace)

    def __attrs_post_init__(self) -> None:
        keys = [script.key for script in self.keys]
        if len(set(keys)) < len(keys):
            raise ValueError("'keys' has the same key twice; put all its fates into one entry")
        ruled = (name for rule in self.rules for name in rule.answers)
        all_fates = (*self.other_keys, *(fate for script in self.keys for fate in script.fates))
        fated = (fate.answer for fate in all_fates if fate.answer is not None)
        following = (answer.then for answer in self.answers.values() if answer.then is not None)
        for name in (*self.turns, *self.after_tools, *ruled, *fated, *following):
            if name not in self.answers:
                raise ValueError(f"there is no answer named {name!r}; there are {', '.join(self.answers)}")


_COMMAND = re.compile(r"\bsimulate (\w+)")


class Turns:
    """Whose turn it is, while a scenario runs."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._taken: dict[int, int] = {}

    def choose(self, request: ModelRequest, named: str | None) -> tuple[str, ScriptedAnswer]:
        """The answer to give, with its name. Raises Refusal where the request names one that does not exist.

        Its calls are of tools that the request offers; one that was named comes whole where none are offered, but for
        calls of a bridge's tools.
        """
        named = named or self._commanded(request.text)
        name = named or self._name(request)
        if name not in self._scenario.answers:
            known = ", ".join(self._scenario.answers)
            raise Refusal(Trouble.INVALID, f"The scenario has no answer named '{name}'. It has: {known}.")
        answer = self._scenario.answers[name]
        whole = named and not request.tools and not calls_injected(answer)
        return name, answer if whole else with_offered(answer, request.tools)

    def _commanded(self, text: str) -> str | None:
        words = (command[1] for command in _COMMAND.finditer(text))
        return next((word for word in words if word in self._scenario.answers), None)

    def _follows(self, request: ModelRequest) -> str | None:
        """The answer that follows the one which the prompt named, so many rounds of tools later."""
        prompt, rounds = since_prompt(request.fields)
        name = self._commanded(prompt)
        for _ in range(rounds):
            name = self._scenario.answers[name].then if name is not None else None
        return name

    def _name(self, request: ModelRequest) -> str:
        for number, rule in enumerate(self._scenario.rules):
            if rule.when.search(request.text):
                return self._next(number, rule.answers)
        if request.tools_answered:
            if following := self._follows(request):
                return following
            return self._next(-1, self._scenario.after_tools)
        return self._next(-2, self._scenario.turns)

    def _next(self, turn: int, names: tuple[str, ...]) -> str:
        taken = self._taken.get(turn, 0)
        self._taken[turn] = taken + 1
        return names[taken % len(names)]
