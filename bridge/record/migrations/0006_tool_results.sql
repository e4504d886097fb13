-- What tools answered, as the requests that bring it say; a call is found by its id in the same session. The text is the
-- first 4 KiB, and empty where it is not to be kept.

CREATE TABLE tool_results (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    tool_call_id TEXT,
    bytes INTEGER NOT NULL,
    is_error INTEGER NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX tool_results_of ON tool_results (interception_id);
CREATE INDEX tool_results_by_call ON tool_results (tool_call_id);
