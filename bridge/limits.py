"""Every budget in one place: nothing that a client, a provider, a subscriber or a web page sends goes beyond these.

What a person may want to change is a setting (`max_request_bytes`, timeouts); these are not. `clearspan check` shows
them, `/metrics` shows how much of the shared ones is in use. Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from attrs import frozen

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
    on_loop_bytes: int = MIB
    """What is larger than this is read in a thread."""
    reading_bytes: int = 256 * MIB
    """Requests that are being read at one time, all together; beyond it they are relayed unread."""
    event_bytes: int = 8 * MIB
    """One event of a stream; a larger one is relayed unread."""
    held_events_bytes: int = 64 * MIB
    """Events of streams that are still coming, all streams together; beyond it they are relayed unread."""

    decoded_bytes: int = 16 * MIB
    """What a request may grow to when its encoding is undone; a larger one is relayed unread."""
    decoded_chunk_bytes: int = 4 * MIB
    """The same for what one read of an answer brings: 64 KiB of gzip can hold 64 MiB."""

    # The picture that snapshots show (docs/events.md, Snapshots)
    text_bytes: int = 64 * KIB
    """One thought, prompt, answer, or the arguments of one tool call."""
    thoughts: int = 256
    """Of one interception."""
    tools: int = 256
    """Of one interception."""
    ended: int = 200
    """Ended interceptions that are remembered."""
    picture_bytes: int = 32 * MIB
    """All that is remembered; the oldest ended interceptions go first."""

    # The event socket
    line_bytes: int = 4 * KIB
    """A line that a subscriber sends."""
    queue_events: int = 8192
    """Events that wait for one subscriber."""
    queue_bytes: int = 16 * MIB
    """What waits for one subscriber; lines are shared among subscribers."""
    subscribers: int = 64
    snapshots_per_s: int = 2
    """Snapshots that one subscriber gets for the asking."""

    # Metrics
    label_values: int = 200
    """Different values of one label; further ones are counted as `other`."""
    label_characters: int = 128

    # The record
    queued_statements: int = 50_000
    """What waits for the database."""
    prune_interceptions: int = 500
    """Old interceptions that one transaction removes."""
    journal_bytes: int = 64 * MIB
    """The write-ahead log after a checkpoint."""


LIMITS = Limits()
