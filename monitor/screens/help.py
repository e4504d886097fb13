"""The keys, all of them, over whatever was there."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = (
    ("Requests", ""),
    ("↑ ↓  j k", "select a request"),
    ("g G  PgUp PgDn", "first, last, a page"),
    ("f", "follow: jump to each new request"),
    ("x", "cancel the selected request"),
    ("Enter", "enlarge its story; Escape comes back"),
    ("Story", ""),
    ("↑ ↓  j k  Space", "scroll; at the end, stay there"),
    ("g G", "beginning, end"),
    ("Everywhere", ""),
    ("Tab", "go to the next panel"),
    ("Ctrl+P", "all commands, themes"),
    ("q", "quit"),
)


class HelpScreen(ModalScreen[None]):
    """Closed by any of the keys that a hand reaches for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,space", "dismiss", "Close"),
    ]

    def compose(self) -> ComposeResult:
        lines = []
        for key, meaning in KEYS:
            if meaning:
                lines.append(Content.assemble((f"  {key:<17}", "$text-primary"), meaning))
            else:
                lines.append(Content.styled(key, "bold"))
        with Vertical(id="help") as panel:
            panel.border_title = "Keys"
            yield Static(Content("\n").join(lines))
