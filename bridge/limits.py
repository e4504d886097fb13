"""Every budget in one place: nothing that a client, a provider, a subscriber or a web page sends goes beyond these.

What a person may want to change is a setting (`max_request_bytes`, timeouts); these are not. `clearspan check` shows
them, `/metrics` shows how much of the shared ones is in use. Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from bridge.value_classes import frozen

KIB = 1024
MIB = 1024 * KIB


@frozen
class Limits:
    """The budgets in force."""

    # HTTP, from clients (docs/behaviour.md, HTTP)
    head_bytes: int = 64 * KIB
    """Request line and header fields together."""
    head_fields: int = 256
    chunk_overhead_bytes: int = 16 * KIB
    """What the lines between the chunks of a body may take beyond what is usual; also one such line."""

    # HTTP, from providers
    answer_head_bytes: int = 100 * KIB
    informational_responses: int = 100
    """1xx heads before the real one."""

    # Reading
    read_request_bytes: int = 64 * MIB
    """A larger request is relayed unread."""
    read_request_marks: int = 2_000_000
    """Brackets and commas in a request; with more it is relayed unread."""
    read_request_colons: int = 250_000
    """Colons in a request, so many names its objects may have; with more it is relayed unread."""
    whole_request_bytes: int = 8 * MIB
    """Of a request that is larger, each text is read as far as its first 64 KiB or a little more."""
    shortened_request_bytes: int = 24 * MIB
    """What is left of it; with more it is relayed unread."""
    on_loop_bytes: int = MIB
    """What is larger than this is read in a thread."""
    reading_bytes: int = 256 * MIB
    """Requests that are being read at one time, all together; beyond it they are relayed unread."""
    event_bytes: int = 8 * MIB
    """One event of a stream; a larger one is relayed unread."""
    body_bytes: int = 16 * MIB
    """An answer that is one body; a larger one is relayed unread."""
    read_event_marks: int = 200_000
    """Brackets and commas in one event, or in an answer that is one body; with more it is relayed unread."""
    argument_values: int = 10_000
    """Values in the arguments of a tool call; with more they are told as a text."""
    lenient_bytes: int = 4 * MIB
    lenient_marks: int = 100_000
    """JSON with half characters, broken UTF-8 or NaN is read up to so many bytes, brackets and commas."""
    free_bytes: int = 64 * KIB
    """What one stream holds without asking; the rest of what is still coming is out of the next budget."""
    held_events_bytes: int = 64 * MIB
    """What is still coming in all streams together; beyond it events are relayed unread."""

    tool_round_bytes: int = 8 * MIB
    """What is held of one stream that may call injected tools. Beyond it the stream ends with an error; one
    that has called none goes on, and later calls in it are not run."""

    decoded_bytes: int = 16 * MIB
    """What a request may grow to when its encoding is undone; a larger one is relayed unread."""
    decoded_chunk_bytes: int = 4 * MIB
    """The same for what one read of an answer brings: 64 KiB of gzip can hold 64 MiB."""
    encoded_parts: int = 1000
    """Members of gzip or frames of zstd in a request, or in one read of an answer; with more it is relayed unread."""
    zstd_window_bytes: int = 8 * MIB
    """A frame of zstd may look back so far, which is as far as HTTP allows (RFC 9659). A power of two."""

    tool_results: int = 256
    """Of one request; of more the last ones are told."""
    result_bytes: int = 4 * KIB
    """Of what a tool answered, so much is told and kept."""
    contexts: int = 2_000
    """Agents whose last request is known by its fingerprints, to tell what the next one changes; the latest ones."""
    context_messages: int = 10_000
    """Of one request; one with more is compared with none. A message takes 8 bytes."""
    contexts_bytes: int = 8 * MIB
    """All fingerprints together."""

    # The picture that snapshots show (docs/events.md, Snapshots)
    text_bytes: int = 64 * KIB
    """One thought, prompt, answer, or the arguments of one tool call."""
    thoughts: int = 256
    """Of one interception."""
    tools: int = 256
    """Of one interception."""
    notes: int = 256
    """Of one interception."""
    ended: int = 200
    """Ended interceptions that are remembered."""
    picture_bytes: int = 32 * MIB
    """All that is remembered; the oldest ended interceptions go first."""
    sessions: int = 256
    """Sessions whose sums are remembered; of others the record knows all."""
    circuits: int = 256
    """Circuits that are not closed; the oldest are not shown."""
    shown_homes: int = 256
    """Agents of sessions of which a snapshot says with which key they are served; the latest."""

    # Keys and who is served with them (docs/behaviour.md, Key pool)
    homes: int = 2_000
    """Agents of sessions, and answers referred to, whose key a provider remembers; the latest."""
    waiting_requests: int = 1_000
    """Requests that wait for a key of one provider; beyond it those of the last lane are answered 429."""

    # Tools of MCP servers (docs/behaviour.md, MCP servers)
    tool_message_bytes: int = 8 * MIB
    """One message of a server; a larger one is not read, and its call fails."""
    tool_result_bytes: int = MIB
    """Of a result; the rest is cut."""
    tool_pages: int = 100
    """Of one server's list."""
    tools_listed: int = 1000
    """Of one server; more are left out."""
    tool_list_bytes: int = 4 * MIB
    """Names, descriptions and schemas of one server; what is beyond is left out."""
    tool_lists: int = 10_000
    """Sessions whose lists are kept; those of the longest unused are let go."""

    # The event socket
    line_bytes: int = 4 * KIB
    """A line that a subscriber sends."""
    queue_events: int = 8192
    """Events that wait for one subscriber."""
    queue_bytes: int = 16 * MIB
    """What waits for one subscriber; lines are shared among subscribers."""
    queues_bytes: int = 64 * MIB
    """What waits for all subscribers, each line counted once; beyond it the longest queue is lost."""
    snapshots_bytes: int = 96 * MIB
    """Snapshots on their way to subscribers; beyond it those who still send the oldest are let go."""
    subscribers: int = 64
    snapshots_per_s: int = 2
    """Snapshots that one subscriber gets for the asking."""

    history: int = 200
    """Past interceptions in one line."""
    history_bytes: int = 2 * MIB
    """What they take; the texts of one that alone takes more end sooner."""

    # The dashboard as a web page
    web_tabs: int = 8
    """Tabs that are open at one time; each has a process of its own."""
    web_columns: int = 500
    web_rows: int = 200
    web_message_bytes: int = MIB
    """A message that a page sends: keys, or a text that is pasted."""

    # The dashboard in a terminal
    paged_dump_bytes: int = 8 * MIB
    """Of a dump, in the pager that it opens."""

    # Metrics
    label_values: int = 200
    """Different values of one label; further ones are counted as `other`."""
    label_characters: int = 128
    """Of one value; the rest is left out."""
    label_bytes: int = 10 * KIB
    """All values of one label together."""
    label_pairs: int = 1000
    """Different pairs of a model and a tool, and of a model and a client."""

    # Dumps
    dump_steps: int = 50_000
    """Parts of requests and answers that wait to be written."""
    dump_queue_bytes: int = 128 * MIB
    """What they hold; a request that is under way is counted, too."""
    dump_memory_bytes: int = 64 * KIB
    """What of one attempt's body is in memory while it comes; the rest is in a file."""
    dump_files: int = 100_000
    """Dumps that are kept, whatever they take."""

    # Traces
    traced_events: int = 20_000
    """What waits to become spans; with more, spans are missing."""
    traced_interceptions: int = 4_096
    """Interceptions whose spans are not all ended."""

    # What answers cost
    priced_models: int = 512
    """Models whose prices are at hand; others are looked up in the list again."""
    unpriced_interceptions: int = 256
    """Those whose use of tokens is told only when the price list is loaded; that of others is told without a price."""
    unpriced_events: int = 64
    """Events of one such interception that wait with it; with more, all are told without a price."""

    # The record
    queued_statements: int = 50_000
    """Events that wait for the database."""
    queued_bytes: int = 64 * MIB
    """What they hold."""
    batch_statements: int = 1_000
    """Events that one transaction writes."""
    remembered_begins: int = 4_096
    """Interceptions under way that a file begins with where it is put, or made, in the place of another."""
    spill_bytes: int = 64 * MIB
    """What stops leave in files beside a database that can't be written, all together."""
    prune_interceptions: int = 500
    """Old interceptions that one transaction removes."""
    journal_bytes: int = 64 * MIB
    """What the write-ahead log holds where nobody reads for long; with more it is said that somebody does. It begins
    anew from a quarter on, and from half on pruning waits for that."""
    rewritten_bytes: int = 32 * MIB
    """An older file with no more in it is rewritten once, so that it can shrink."""


LIMITS = Limits()


class Budget:
    """Bytes that many share. Whoever takes some gives them back; who gets none does without."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0

    def take(self, size: int) -> bool:
        """Takes that many, if there are so many left."""
        if self.used + size > self.total:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Gives back what was taken."""
        self.used -= size


class Share:
    """What one stream holds of a budget, beside the little that is free. Once closed it holds nothing any more."""

    __slots__ = ("_budget", "_closed", "_taken", "size")

    def __init__(self, budget: Budget) -> None:
        self.size = 0
        self._budget = budget
        self._taken = 0
        self._closed = False

    def grow(self, size: int) -> bool:
        """Holds that many bytes more, if they are to be had."""
        if self._closed:
            return False
        more = max(self.size + size - LIMITS.free_bytes, 0) - self._taken
        if more > 0:
            if not self._budget.take(more):
                return False
            self._taken += more
        self.size += size
        return True

    def shrink(self, size: int) -> None:
        """Holds that many bytes less."""
        if self._closed:
            return
        self.size -= size
        if self._taken:
            kept = max(self.size - LIMITS.free_bytes, 0)
            self._budget.give_back(self._taken - kept)
            self._taken = kept

    def close(self) -> None:
        """Gives everything back."""
        self._closed = True
        self._budget.give_back(self._taken)
        self.size = self._taken = 0


READING = Budget(LIMITS.reading_bytes)
"""Requests that are being read."""

HELD = Budget(LIMITS.held_events_bytes)
"""Events and texts that are still coming."""
