"""The reasoning view: what agents think, one agent a pane, each read as one story across its turns."""

from __future__ import annotations

from typing import Literal

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from bridge.events.entries import Interception
from monitor.lines import agent_tree, vitals
from monitor.lines.session_story import StoryReader, is_tool, outline, plain, request_of
from monitor.lines.withheld import to_explain
from monitor.screens.picker import Choice, PickerScreen, line_width
from monitor.screens.reasoning_keys import BINDINGS, KEY_HELP, STORY_ACTIONS
from monitor.screens.session_replay import SessionPlayer, SessionReplay
from monitor.screens.turn_difference import DifferenceScreen
from monitor.screens.view import Frame, View
from monitor.state.counted import earlier_turns, session_tokens
from monitor.state.names import Roster
from monitor.state.sessions import Panes, SessionAgent
from monitor.state.state import Status
from monitor.widgets.agent_grid import TWO_COLUMNS, TWO_ROWS, AgentGrid, columns, rows
from monitor.widgets.agent_pane import AgentPane
from monitor.widgets.agent_tree import AgentTree
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.replay import ReplayBar
from monitor.widgets.session import SessionView, heading
from monitor.widgets.sessions import SessionStrip
from monitor.widgets.typed import TypedLine

Depth = Literal["thoughts", "folded", "all"]

DEPTHS: dict[Depth, list[str]] = {"thoughts": ["without tools"], "folded": [], "all": ["all of the tools"]}
"""How much is shown of a story, in the order of the key that changes it, with what the title adds."""

NOT_HERE = "not in what is loaded here: / in Live searches the record, u loads older turns"

TREE = 140
"""Columns from which on the tree of agents stands beside them by itself."""


class ReasoningScreen(View):
    """Stories at the bottom while they grow; scrolled back, each keeps its place."""

    NAME = "reasoning"
    KEY_HELP = KEY_HELP
    BINDINGS = BINDINGS

    class Open(Message):
        """Somebody wants to see the request that they are reading."""

        def __init__(self, request: str) -> None:
            super().__init__()
            self.request = request

    class Older(Message):
        """Somebody wants the turns before the first that is known; all of them from that `number` on, if there is one,
        and to go there."""

        def __init__(self, agent: SessionAgent, number: int | None = None) -> None:
            super().__init__()
            self.agent, self.number = agent, number

    def __init__(self) -> None:
        super().__init__(classes="-blank")
        self.panes = Panes()
        self._found: list[SessionAgent] = []
        self._reader = StoryReader()
        self._query = ""
        self._depth: Depth = "folded"
        self._spread = False
        self._wants_tree: bool | None = None
        self._asks_for_turn = False
        self._earlier: dict[str, int] = {}
        self._player = SessionPlayer(self)
        self._live_panes = self.panes
        self.empty_state = EmptyState()
        self.strip = SessionStrip()
        self.tree_of_agents = AgentTree()
        self.grid_of_panes = AgentGrid()
        self.agent_panes = self.grid_of_panes.panes
        self.session_views = [pane.story for pane in self.agent_panes]
        self.typed = TypedLine(" / ", "words to find in the story; then n and N")
        self.number = TypedLine(" # ", "the number of a turn")

    def body(self) -> ComposeResult:
        yield self.empty_state
        yield self.strip
        with Horizontal(id="agents"):
            yield self.tree_of_agents
            yield self.grid_of_panes

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.typed
        yield self.number

    def choose(self, request: str | None) -> None:
        """Opens the agent of that request, from the next frame on."""
        self._end_replay()
        agent = self.frame.state.roster.agent(request) if self.frame is not None else None
        if agent is not None:
            self.panes.choose(agent.id)

    @property
    def columns(self) -> int:
        """How many panes have room side by side."""
        return columns(self.size)

    @property
    def room(self) -> int:
        """How many panes have room."""
        return self.columns * (rows(self.size) if self._spread else 1)

    @property
    def shows_tree(self) -> bool:
        """Whether the tree is there: beside the panes where there is room, else in their place."""
        return self.size.width >= TREE if self._wants_tree is None else self._wants_tree

    def draw(self, frame: Frame) -> None:
        replay = self._player.playing
        super().draw(frame if replay is None else replay.frame(frame))
        self.end_message(frame.now)  # which a replay is never at

    def draw_body(self, frame: Frame) -> None:
        state = frame.state
        self._found = state.roster.agents
        self._reader.forget({request.id for agent in self._found for request in agent.requests})
        blank = not self._found
        if self.has_class("-blank") != blank:
            self.set_class(blank, "-blank")
            self.refresh_bindings()
        if blank:
            self.empty_state.show(state, frame.url, frame.place)
            return
        self.panes.settle(self._found, self.room, frame.then, only_running=self._spread)
        self._draw_tree(frame)
        by_id = {agent.id: agent for agent in self._found}
        across = min(self.columns, len(self.panes.open))
        panes = self.grid_of_panes.lay_out(len(self.panes.open), across)
        for pane, agent in zip(panes, self.panes.open, strict=True):
            self._show(pane, by_id[agent], frame)
        here = self.session_views[self.panes.at]
        if self.focused not in (here, self.typed.field, self.number.field, self.tree_of_agents):
            here.focus()

    def _draw_tree(self, frame: Frame) -> None:
        shown, alone = self.shows_tree, self.shows_tree and self.size.width < TREE
        for widget, displayed in (
            (self.tree_of_agents, shown),
            (self.strip, not shown),
            (self.grid_of_panes, not alone),
        ):
            if widget.display != displayed:
                widget.display = displayed
        self.set_class(alone, "-tree-alone")
        if shown:
            self.tree_of_agents.show_agents(frame.state, self.panes, frame.then)
        else:
            roster = frame.state.roster
            self.strip.show(roster, self.panes)

    def _show(self, pane: AgentPane, agent: SessionAgent, frame: Frame) -> None:
        state = frame.state
        if self._player.playing is None:
            self._earlier[agent.id] = earlier_turns(state, agent)
        earlier = self._earlier.get(agent.id, 0)
        session = state.roster.session(agent.last.id)
        explained = to_explain(session.requests) if session else None
        blocks = self._reader.read(agent, frame.then, earlier, explained)
        if self._depth == "thoughts":
            blocks = [block for block in blocks if not is_tool(block)]
        story = pane.story
        story.show(agent.id, blocks, live=agent.live)
        subject = vitals.VitalsSubject(agent.requests, state.paces.get(agent.last.id), session_tokens(state, agent))
        pane.vitals.put(vitals.line(subject, frame.then, pane.vitals.size.width - 2))
        turn = f"turn {earlier + story.turn + 1} of {earlier + len(agent.requests)}"
        parts = [agent_tree.title(agent, state.roster, roomy=pane.size.width >= vitals.WIDE), turn]
        if self._player.playing is not None:
            parts.append(self._player.playing.badge())
        elif agent.live and not story.more():
            parts.append("live")
        parts += DEPTHS[self._depth]
        if story.is_raw:
            parts.append("as written")
        if story.searching:
            parts.append(f"/{self._query[:30]} {story.matches()}")
        elif not agent.live and self._player.playing is None and pane is self.agent_panes[self.panes.at]:
            parts += self._who_runs(agent, roster=state.roster)
        pane.entitle(" · ".join(parts) + story.more())

    def _who_runs(self, agent: SessionAgent, roster: Roster) -> list[str]:
        """That an agent which is read is over, and who else runs: nobody's text is taken away for that."""
        waiting = self.panes.waiting(self._found)
        if not waiting or not waiting[0].live:
            return []
        over = [] if agent.last.tools else ["ended"]  # who has called a tool comes back with what it said
        return [*over, f"{agent_tree.title(waiting[0], roster, roomy=False)} is live: f"]

    @property
    def at_hand(self) -> Interception | None:
        block = self.pane.block
        if block is None or self.frame is None:
            return None
        return self.frame.state.picture.interceptions.get(request_of(block.key))

    @property
    def pane(self) -> SessionView:
        """The pane that a person is in."""
        return self.session_views[self.panes.at]

    @property
    def agent(self) -> SessionAgent | None:
        """The agent that a person reads."""
        here = self.panes.open[self.panes.at] if self.panes.open else None
        return next((agent for agent in self._found if agent.id == here), None)

    def watch_focused(self, widget: Widget | None) -> None:
        """Notes where the focus is at once: its event comes later, and a frame in between would take it back."""
        if isinstance(widget, SessionView):
            self.panes.at = self.session_views.index(widget)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        self.redraw()

    @on(SessionStrip.Chosen)
    def _open_session(self, message: SessionStrip.Chosen) -> None:
        agent = next((agent for agent in self._found if agent.session == message.session), None)
        if agent is not None:
            self._read(agent.id)

    @on(AgentTree.Chosen)
    def _open_agent(self, message: AgentTree.Chosen) -> None:
        self._read(message.agent, beside=message.beside)

    @on(AgentTree.Unfolded)
    def _draw_tree_anew(self) -> None:
        self.redraw()

    def _read(self, agent: str, *, beside: bool = False) -> None:
        self.panes.follow = False
        if beside:
            self.panes.choose_beside(agent, self.room)
        else:
            self.panes.choose(agent)
        if self.size.width < TREE:
            self._wants_tree = None
        self.redraw()
        self.pane.focus()

    def action_another(self, step: int) -> None:
        """Reads the next agent in this pane, or the one before."""
        self.panes.move(self._found, step)
        self.redraw()

    def action_tree(self) -> None:
        """Goes into the tree of agents; from there, takes it away."""
        self._wants_tree = not (self.shows_tree and self.tree_of_agents.has_focus)
        self.redraw()
        if self._wants_tree:
            self.tree_of_agents.focus()
        else:
            self.pane.focus()

    def action_spread(self) -> None:
        """Gives each agent that runs a pane, as far as there is room; again: as it was."""
        if self.columns * rows(self.size) == 1:
            text = f"room for one pane here: two need {TWO_COLUMNS} columns or {TWO_ROWS} lines"
            self.post_message(self.Unable(text))
            return
        self._spread = not self._spread
        if self._spread:
            running = [agent.id for agent in self._found if agent.live]
            here = self.panes.open[self.panes.at]
            self.panes.open = sorted(running, key=lambda id_: id_ != here) or [here]
            self.panes.at, self.panes.follow = 0, True
        self.redraw()

    def action_pick(self) -> None:
        """Finds an agent by a few letters of its name."""
        if self.frame is not None:
            frame, width = self.frame, line_width(self.size.width)
            choices = [
                Choice(agent.id, agent_tree.line(agent, frame.state, frame.then, width, "plain"))
                for agent in agent_tree.order(frame.state.roster)
            ]
            self.app.push_screen(PickerScreen("Agents", choices), self._take_pick)

    def _take_pick(self, agent: str | None) -> None:
        if agent is not None:
            self._read(agent)

    def action_outline(self) -> None:
        """Shows the turns, a line each, and goes to the one that is chosen."""
        agent = self.agent
        if agent is None or self.frame is None:
            return
        earlier = self._earlier.get(agent.id, 0)
        choices = [
            Choice(str(place), outline(request, earlier + place + 1, self.frame.then))
            for place, request in enumerate(agent.requests)
        ]
        title = f"Turns of {agent_tree.title(agent, self.frame.state.roster)}"
        self.app.push_screen(PickerScreen(title, choices, self.pane.turn), self._take_turn)

    def _take_turn(self, place: str | None) -> None:
        if place is not None:
            self.pane.go_to_turn(int(place))
            self.redraw()

    def action_number(self) -> None:
        """Goes to the turn whose number is typed."""
        self._asks_for_turn = True
        self.number.field.value = ""
        self.number.open()

    def action_difference(self) -> None:
        """Shows what the turn that one reads changed of the request before."""
        agent = self.agent
        if agent is not None and self.frame is not None:
            name = agent_tree.title(agent, self.frame.state.roster, roomy=False)
            earlier = self._earlier.get(agent.id, 0)
            self.app.push_screen(DifferenceScreen(agent, name, self.pane.turn, earlier), self._leave_difference)

    def _leave_difference(self, place: int | None) -> None:
        if place is not None and place != self.pane.turn:
            self.pane.go_to_turn(place)
            self.redraw()

    def action_replay(self) -> None:
        """Plays the session again that one reads, from its beginning; or goes back to what goes on."""
        agent, frame = self.agent, self.frame
        if self._player.playing is not None:
            self._end_replay()
        elif agent is not None and frame is not None:
            session = frame.state.roster.session(agent.last.id)
            if session is not None:
                self._live_panes, self.panes = self.panes, Panes(list(self.panes.open), self.panes.at, follow=False)
                self._player.begin(SessionReplay(session, frame.state, frame.then))
                self.pane.action_scroll_end()
                self.refresh_bindings()

    def _end_replay(self) -> None:
        """Goes back to what goes on, as it was left."""
        if self._player.end():
            self.panes = self._live_panes
            self.refresh_bindings()
            for story in self.session_views:
                story.action_scroll_end()
            self.post_message(self.Shown())

    def on_screen_suspend(self) -> None:
        """Another view has come to the front, or a question over this one, which leaves the replay going."""
        if isinstance(self.app.screen, View):
            self._end_replay()

    def action_steer(self, how: str, steps: float) -> None:
        """Pauses the replay, seeks in it, or changes its speed."""
        if self._player.playing is not None:
            self._player.playing.steer(how, steps)

    @on(ReplayBar.Sought)
    def _seek_share(self, message: ReplayBar.Sought) -> None:
        if self._player.playing is not None:
            message.stop()
            self._player.playing.seek_share(message.share)

    def action_older(self, _known: bool) -> None:
        """Asks the record for the turns before, of which one may know that there are some."""
        if self.agent is not None:
            self.post_message(self.Older(self.agent))

    def action_follow(self) -> None:
        """Goes on to an agent that runs where this one is over, and to the end of what it says."""
        self.panes.go_on(self._found)
        self.redraw()
        self.pane.action_scroll_end()

    def action_visibility(self) -> None:
        """Leaves the tools out, shows them folded, or shows all of them."""
        depths: list[Depth] = list(DEPTHS)
        self._depth = depths[(depths.index(self._depth) + 1) % len(depths)]
        for pane in self.session_views:
            if pane.unfolds != (self._depth == "all"):
                pane.unfold()
        self.redraw()

    def action_search(self) -> None:
        """Finds what is typed in the story."""
        self.typed.open()

    @on(TypedLine.Typed)
    def _take_search(self, message: TypedLine.Typed) -> None:
        if self._asks_for_turn:
            return
        self._query = message.text
        for pane in self.session_views:
            pane.look_for(message.text)
        self.redraw()

    @on(TypedLine.Closed)
    def _leave_search(self, message: TypedLine.Closed) -> None:
        wanted = self.number.field.value.strip()
        if self._asks_for_turn and message.kept and wanted.isdecimal() and self.agent is not None:
            self._go_to_number(self.agent, int(wanted[:9]))
        elif not self._asks_for_turn and message.kept and self._query.strip() and not self.pane.has_matches:
            self.post_message(self.Unable(NOT_HERE))
        self._asks_for_turn = False
        self.pane.focus()
        self.redraw()

    def _go_to_number(self, agent: SessionAgent, number: int) -> None:
        """Goes to a turn, or has it loaded; says so where there is none."""
        earlier = self._earlier.get(agent.id, 0)
        if 0 < number <= earlier and self._player.playing is None:
            self.post_message(self.Older(agent, number))
        elif not earlier < number <= earlier + len(agent.requests):
            self.post_message(self.Unable(f"there is no turn {number}: it has {earlier + len(agent.requests)}"))
        else:
            self.pane.go_to_turn(number - 1 - earlier)

    def go_to_loaded(self, agent: SessionAgent, number: int) -> bool:
        """Goes to a turn that was loaded since, if it is there and its agent is still read; False if it is not."""
        if self.frame is not None and self.agent is not None and self.agent.id == agent.id:
            self.redraw()
            place = number - 1 - earlier_turns(self.frame.state, self.agent)
            if place < 0:
                return False
            self.pane.go_to_turn(place)
            self.redraw()
        return True

    def action_copy(self) -> None:
        """Copies the block at hand."""
        block = self.pane.block
        if block is not None:
            self.post_message(self.Copied(plain([block]), heading(block.heading)))

    def as_text(self) -> str | None:
        """The whole session."""
        return plain(list(self.pane.blocks)) if self.pane.blocks else None

    def action_copy_all(self) -> None:
        """Copies the whole story."""
        if self.pane.blocks:
            self.post_message(self.Copied(plain(self.pane.blocks), "the whole story"))

    def action_open(self) -> None:
        """Shows the request of the block at hand."""
        block = self.pane.block
        if block is not None:
            self.post_message(self.Open(request_of(block.key)))

    def action_back(self) -> None:
        """Ends the search, or else the replay; without either, goes back."""
        if self._query:
            self.typed.field.value = ""
        elif self._player.playing is not None:
            self._end_replay()
        else:
            self.post_message(self.Left())

    def offered(self) -> list[object]:
        return [*super().offered(), self.pane.searching]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now. A replay has its own; of letters typed it takes none."""
        if action == "steer":
            return self._player.playing is not None and self.is_current and not isinstance(self.focused, Input)
        if action == "replay" and self.frame is not None and self._player.playing is None:
            return self.frame.state.status is not Status.REPLAY and not self.has_class("-blank")
        if action == "older":
            known = self.agent is not None and bool(self._earlier.get(self.agent.id))
            return self._player.playing is None and not self.has_class("-blank") and parameters == (known,)
        needs_story = action in STORY_ACTIONS
        return not (needs_story and self.has_class("-blank"))
