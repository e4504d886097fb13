"""The sessions there are, in a line: which run, which lie open, which one a person is in."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.message import Message

from monitor.lines import names as called
from monitor.lines.span import Line, Span, Tone
from monitor.state.names import Roster
from monitor.state.sessions import Panes
from monitor.widgets.line_bar import LineBar


class SessionStrip(LineBar):
    """One line; where it is too short for all, those around the chosen one."""

    class Chosen(Message):
        """Somebody wants to read that session."""

        def __init__(self, session: str) -> None:
            super().__init__()
            self.session = session

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[int, str]] = []

    def show(self, roster: Roster, panes: Panes) -> None:
        """Takes over what is known; paints only what changed."""
        line, self._ends = _line(roster, panes, self.size.width)
        self.put(line)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        for end, session in self._ends:
            if offset.x < end:
                self.post_message(self.Chosen(session))
                return


def _line(roster: Roster, panes: Panes, width: int) -> tuple[Line, list[tuple[int, str]]]:
    """With what each was asked where all of that has room."""
    found, known = roster.sessions, roster.names
    by_id = {agent.id: agent.session for agent in roster.agents}
    here = by_id.get(panes.open[panes.at]) if panes.open else None
    lying = {by_id.get(id_) for id_ in panes.open}
    names = [f"{called.full(known[session.id])}  " for session in found]
    if sum(2 + cell_len(name) for name in names) > width:
        names = [f"{called.short(known[session.id])}  " for session in found]
    chosen = next((index for index, session in enumerate(found) if session.id == here), 0)
    first = 0
    while first < chosen and sum(2 + cell_len(name) for name in names[first : chosen + 1]) > width - 2:
        first += 1
    spans: list[Span] = [("◂ ", "muted")] if first else []
    used, ends = len(spans) * 2, []
    for index in range(first, len(found)):
        session = found[index]
        used += 2 + cell_len(names[index])
        if used > width and index > first:
            spans.append(("▸", "muted"))
            break
        tone: Tone = "here" if session.id == here else "plain" if session.id in lying else "muted"
        spans += [("● " if session.live else "○ ", "live" if session.live else "faint"), (names[index], tone)]
        ends.append((used, session.id))
    return tuple(spans), ends
