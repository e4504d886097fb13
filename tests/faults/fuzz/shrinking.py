"""From a batch that broke something to the few bytes that do."""

from __future__ import annotations

import re
from collections.abc import Sequence

import trio
from attrs import define, evolve

from tests.faults.fuzz.arena import Target
from tests.faults.fuzz.campaign import arena, throw_batch
from tests.faults.fuzz.inputs import Input

TIMES = 3
"""How often several inputs are tried: when each does its part is up to the scheduler."""


def kind(wrong: str) -> str:
    """What a finding is about, without what differs from one time to the next."""
    return re.sub(r"\d+", "N", wrong)[:25]


async def shrunk(target: Target, inputs: Sequence[Input], wrong: Sequence[str], seconds: float) -> list[Input]:
    """As little as still has one of these findings' kind, as far as that is found in the time."""
    search = _Search(target, {kind(text) for text in wrong}, list(inputs))
    with trio.move_on_after(seconds):
        await search.run()
    return search.smallest


@define
class _Search:
    """`smallest` is the best so far. Trials share a bridge as long as nothing is wrong with it."""

    target: Target
    kinds: set[str]
    smallest: list[Input]

    async def run(self) -> None:
        await self._try_any([[evolve(thrown, ending=self.target.calm) for thrown in self.smallest]])
        while await self._try_any(self._fewer()):
            pass
        if len(self.smallest) == 1:
            first = self.smallest[0]
            await self._try_any([[evolve(first, pieces=(first.whole,))]])
            while await self._try_any(self._shorter()):
                pass

    def _fewer(self) -> list[list[Input]]:
        thrown = self.smallest
        if len(thrown) < 2:
            return []
        size = (len(thrown) + 1) // 2
        tries: list[list[Input]] = []
        while size and len(tries) < 40:
            tries += [thrown[start : start + size] for start in range(0, len(thrown), size)]
            size = size // 2 if len(thrown) < 16 else 0
        return tries

    def _shorter(self) -> list[list[Input]]:
        (thrown,) = self.smallest
        whole = thrown.whole
        tries: list[list[Input]] = []
        size = len(whole) // 2
        while size:
            starts = range(0, len(whole), size)
            tries += [[evolve(thrown, pieces=(whole[:start] + whole[start + size :],))] for start in starts]
            size //= 2
        return tries

    async def _try_any(self, tries: Sequence[list[Input]]) -> bool:
        """Takes the first of these that still breaks something."""
        left = list(reversed(tries))
        while left:
            async with arena(self.target) as here:
                base = await throw_batch(here, self.target, [], None)
                while left and not here.wrong:
                    inputs = left.pop()
                    for _ in range(TIMES if len(inputs) > 1 else 1):
                        await throw_batch(here, self.target, inputs, base)
            if self.kinds & {kind(text) for text in here.wrong}:
                self.smallest = inputs
                return True
        return False
