"""The panes in which agents are read, side by side and in two rows where there is room for them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size

from monitor.widgets.agent_pane import AgentPane

TWO_COLUMNS = 160

COLUMNS = ((240, 3), (TWO_COLUMNS, 2), (0, 1))
"""From which width of the terminal on how many agents have room side by side."""

TWO_ROWS = 45
"""Lines of the terminal from which on two rows of panes have room."""


def columns(terminal: Size) -> int:
    """How many panes have room side by side."""
    return next(count for width, count in COLUMNS if terminal.width >= width)


def rows(terminal: Size) -> int:
    """How many have room one above the other."""
    return 2 if terminal.height >= TWO_ROWS else 1


class AgentGrid(Container):
    """All the panes that there can ever be; those that nobody is read in are not shown."""

    def __init__(self) -> None:
        super().__init__(id="panes")
        self.panes = [AgentPane() for _ in range(2 * COLUMNS[0][1])]
        for pane in self.panes[1:]:
            pane.display = False

    def compose(self) -> ComposeResult:
        yield from self.panes

    def lay_out(self, count: int, across: int) -> list[AgentPane]:
        """Shows so many panes, so many of them side by side; which these are."""
        if self.styles.grid_size_columns != across:
            self.styles.grid_size_columns = across
        for number, pane in enumerate(self.panes):
            shown = number < count
            if pane.display != shown:
                pane.display = shown
            pane.set_class(bool(number % across), "-beside")
        return self.panes[:count]
