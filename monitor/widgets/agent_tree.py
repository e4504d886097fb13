"""All agents at the side: one is selected; Enter opens it here, `+` beside. Those that are over are folded."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from monitor.lines import agent_tree
from monitor.lines.span import Line, Tone
from monitor.state.sessions import Panes
from monitor.state.state import MonitorState
from monitor.widgets.panel import LinesPanel

ENDED = "ended"
"""Stands among the agents' ids for the line that those which are over are folded into; no id is so short."""


class AgentTree(LinesPanel):
    """The selection is an agent's id: it stays on its agent wherever that goes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "select(1)", "Agent", key_display="↑↓"),
        Binding("up,k", "select(-1)", "Agent above", show=False),
        Binding("enter", "open(False)", "Open", key_display="⏎"),
        Binding("plus", "open(True)", "Beside", key_display="+"),
        Binding("space", "unfold", "Ended"),
    ]

    class Chosen(Message):
        """Somebody wants to read that agent, here or beside."""

        def __init__(self, agent: str, *, beside: bool) -> None:
            super().__init__()
            self.agent, self.beside = agent, beside

    class Unfolded(Message):
        """Other agents are to be seen: it has to be drawn anew."""

    def __init__(self) -> None:
        super().__init__(id="tree")
        self.takes_room = False
        self._ids: list[str] = []
        self._selected: str | None = None
        self._shows_ended = False

    def show_agents(self, state: MonitorState, panes: Panes, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        agents, over = agent_tree.fold(agent_tree.order(state.roster), panes.open, now)
        going = len(agents) - over
        self._ids = [agent.id for agent in (agents if self._shows_ended else agents[:going])]
        if over:
            self._ids.insert(going, ENDED)
        here = panes.open[panes.at] if panes.open else None
        if self._selected not in self._ids or not self.has_focus:
            self._selected = here
        lines: list[Line] = []
        for number, agent in enumerate(agents):
            if number == going:
                lines.append(((f"{'▾' if self._shows_ended else '▸'} {over} ended", "muted"), ("  space", "key")))
                if not self._shows_ended:
                    break
            tone: Tone = "here" if agent.id == here else "plain" if agent.id in panes.open or agent.live else "muted"
            lines.append(agent_tree.line(agent, state, now, self.content_width, tone))
        at = self._at
        self.show(lines, range(at, at + 1) if self.has_focus and lines else range(0))
        live = sum(agent.live for agent in agents)
        self.entitle(f"Agents  {live} of {len(agents)} run")

    @property
    def _at(self) -> int:
        return self._ids.index(self._selected) if self._selected in self._ids else 0

    def action_select(self, step: int) -> None:
        """Goes to the agent below, or above."""
        if self._ids:
            self._selected = self._ids[min(max(self._at + step, 0), len(self._ids) - 1)]
            self._reveal_selected()

    def _reveal_selected(self) -> None:
        self.show(self._lines, range(self._at, self._at + 1))

    def action_open(self, beside: bool) -> None:
        """Reads the selected agent; of those that are over, shows them all."""
        if self._ids and self._ids[self._at] == ENDED:
            self.action_unfold()
        elif self._ids:
            self.post_message(self.Chosen(self._ids[self._at], beside=beside))

    def action_unfold(self) -> None:
        """Shows those that are over, or folds them again."""
        self._shows_ended = not self._shows_ended
        if ENDED in self._ids:
            self._selected = ENDED
        self.post_message(self.Unfolded())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and offset.y + self.scroll_offset.y < len(self._ids):
            self._selected = self._ids[offset.y + self.scroll_offset.y]
            self.action_open(beside=False)
