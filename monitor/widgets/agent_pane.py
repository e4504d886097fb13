"""A pane that reads one agent: its title, its vitals, its story."""

from __future__ import annotations

from typing import Self

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region

from monitor.widgets.line_bar import LineBar
from monitor.widgets.session import SessionView


class AgentPane(Vertical, can_focus=False):
    """Stands out while its story has the keyboard."""

    def __init__(self) -> None:
        super().__init__()
        self.vitals = LineBar()
        self.story = SessionView()
        self._title = ""
        self._is_being_entitled = False

    def compose(self) -> ComposeResult:
        yield self.vitals
        yield self.story

    def entitle(self, title: str) -> None:
        """Gives it its title, as content: a plain string would be read as markup."""
        if title != self._title:
            self._title, self._is_being_entitled = title, True
            self.border_title = Content(title)
            self._is_being_entitled = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Textual's own, which has the whole pane painted where only its title is another."""
        if self._is_being_entitled:
            regions = (Region(-self.content_offset.x, -self.content_offset.y, self.outer_size.width, 1),)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
