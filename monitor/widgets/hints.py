"""The keys that do something now, in the last line; where there is no room for all, some are left out whole.

A key that something else has taken does nothing here: the hint of an action shows the first of its keys that are left.
"""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.screen import Screen

from monitor.lines.span import Span
from monitor.widgets.line_bar import LineBar

ALWAYS = ("help", "quit")
"""Actions whose keys are shown at any width: with them one finds all the others."""

WORDS = 72
"""Columns of the terminal from which on these have a word each: their keys are the same everywhere."""


class KeyHints(LineBar):
    """One line of keys with a word each; a click on one is like pressing it."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self.call_after_refresh(self._changed, self.screen)

    def on_resize(self) -> None:
        self._changed(self.screen)

    def _changed(self, screen: Screen[object]) -> None:
        known: dict[str, tuple[str, str, str]] = {}  # by action: its key, how that is shown, what it does
        for _node, binding, enabled, _tooltip in screen.active_bindings.values():
            if binding.show and enabled:
                shown = self.app.get_key_display(binding)
                known.setdefault(binding.action, (binding.key, shown, binding.description))
        hints = [hint for action, hint in known.items() if action.removeprefix("app.") not in ALWAYS]
        kept = [hint for action, hint in known.items() if action.removeprefix("app.") in ALWAYS]
        margins = 2
        if self.app.size.width < WORDS:  # where each cell counts, the last one too
            margins = 1
            kept = [(key, shown, "") for key, shown, _ in kept]
        gap = 2 if self.size.width >= 60 else 1
        room = self.size.width - margins + gap - sum(_cells(hint) + gap for hint in kept)
        spans: list[Span] = [(" ", "plain")]
        ends, at = [], 1
        for hint in [*hints, *kept]:
            if hint not in kept:
                needed = _cells(hint) + gap
                if needed > room:  # a shorter one may still fit
                    continue
                room -= needed
            key, shown, description = hint
            word = f" {description}" if description else ""
            spans += [(shown, "key"), (f"{word}{' ' * gap}", "muted")]
            at += _cells(hint) + gap
            ends.append((at, key))
        self._ends = ends
        self.put(tuple(spans))

    def on_click(self, event: events.Click) -> None:
        for end, key in self._ends:
            if event.x < end:
                self.app.simulate_key(key)
                return


def _cells(hint: tuple[str, str, str]) -> int:
    return cell_len(hint[1]) + (cell_len(hint[2]) + 1 if hint[2] else 0)
