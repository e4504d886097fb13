"""The keys of the reasoning view, and what the help says of them.

Those with priority steer a replay, and are the view's own only while one is played.
"""

from __future__ import annotations

from textual.binding import Binding, BindingType

from monitor.screens.view import KeyHelp

KEY_HELP: KeyHelp = (
    ("← → h l", "another agent"),
    ("a", "the tree of agents: ⏎ opens, + beside"),
    ("Space", "in the tree: those that ended"),
    ("s", "find an agent by a few letters"),
    ("=", "a pane for each agent that runs"),
    ("{ } #", "turn before, next, of that number"),
    ("o", "outline: a line a turn"),
    ("D", "what the turn changed"),
    ("R", "replay at 4x; Escape: live"),
    ("Space ← → + -", "in it: pause, 5 s, speed"),
    ("Home End", "its beginning, its end"),
    ("u", "load 50 older turns from the record"),
    ("[ ]", "the text before, the text after"),
    (". G", "the live end"),
    ("/ n N", "search; next, previous match"),
    ("v", "less, more, all of the tools"),
    ("m", "as it was written, as it is read"),
    ("y Y", "copy this text, the whole story"),
    ("e", "read the session in $PAGER"),
    ("f", "go on to an agent that runs; its end"),
    ("Enter", "its request; what retries hide"),
    ("Space", "a page down; what retries hide"),
    ("Escape", "end the search, or go back"),
)
BINDINGS: list[BindingType] = [
    Binding("space", "steer('pause', 0)", "Pause the replay", show=False, priority=True),
    Binding("left", "steer('seek', -1)", "Go back 5 s", show=False, priority=True),
    Binding("right", "steer('seek', 1)", "Go on 5 s", show=False, priority=True),
    Binding("home", "steer('start', 0)", "Go to the beginning", show=False, priority=True),
    Binding("end", "steer('finish', 0)", "Go to the end", show=False, priority=True),
    Binding("plus,equals_sign", "steer('speed', 1)", "Play faster", show=False, priority=True),
    Binding("minus", "steer('speed', -1)", "Play slower", show=False, priority=True),
    Binding("left", "another(-1)", "Agent", key_display="←→"),
    Binding("h", "another(-1)", "Agent", key_display="h l"),  # what is left of them in a replay
    Binding("right,l", "another(1)", "Next agent", show=False),
    Binding("a", "tree", "Agents"),
    Binding("s", "pick", "Find"),
    Binding("equals_sign", "spread", "All that run", show=False),
    Binding("slash", "search", "Search", key_display="/"),
    Binding("o", "outline", "Outline"),
    Binding("number_sign", "number", "Turn by number", show=False),
    Binding("D", "difference", "What the turn changed", show=False),
    Binding("R", "replay", "Replay the session", show=False),
    Binding("u", "older(True)", "Older"),
    Binding("u", "older(False)", "Older turns", show=False),
    Binding("y", "copy", "Copy"),
    Binding("Y", "copy_all", "Copy all", show=False),
    Binding("f", "follow", "Follow"),
    Binding("enter", "open", "Request", key_display="⏎"),
    Binding("v", "visibility", "Tools"),
    Binding("escape", "back", "Back", show=False),
]

STORY_ACTIONS = (
    *("another", "tree", "pick", "spread", "outline", "number", "older", "difference", "replay"),
    *("search", "visibility", "copy", "copy_all", "follow", "open"),
)
"""What needs a story to be done to."""
