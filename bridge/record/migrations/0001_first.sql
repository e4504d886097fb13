-- Interceptions and what was read of them. Columns are named as the fields of the events; times are RFC 3339 in UTC.

CREATE TABLE interceptions (
    id TEXT PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (run),
    provider TEXT NOT NULL,
    api TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    model TEXT,
    streaming INTEGER NOT NULL,
    client TEXT NOT NULL,
    user_agent TEXT,
    session_id TEXT,
    agent_id TEXT,
    parent_agent_id TEXT,
    request_class TEXT,
    agent_type TEXT,
    previous_tool_ms TEXT,
    initiator TEXT,
    credential_kind TEXT NOT NULL,
    credential_hint TEXT,
    correlating_tool_call_id TEXT,
    started_at TEXT NOT NULL,
    upstream_request_id TEXT,
    ended_at TEXT,
    outcome TEXT,
    status INTEGER,
    error TEXT,
    attempts INTEGER,
    duration_ms REAL,
    first_byte_ms REAL,
    first_token_ms REAL,
    bytes_out INTEGER
) STRICT;

CREATE INDEX interceptions_by_time ON interceptions (started_at);
CREATE INDEX interceptions_by_session ON interceptions (session_id, started_at);
CREATE INDEX interceptions_open ON interceptions (run) WHERE outcome IS NULL;

-- One row per attempt; status and reason stay NULL while it runs, reason stays NULL when it served.
CREATE TABLE attempts (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    key TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    status INTEGER,
    reason TEXT,
    cooldown_s REAL,
    PRIMARY KEY (interception_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE prompts (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    response_id TEXT NOT NULL,
    text TEXT,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX prompts_of ON prompts (interception_id);

-- A withheld thought has a reason and a size instead of a text.
CREATE TABLE thoughts (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    response_id TEXT,
    "index" INTEGER NOT NULL,
    source TEXT,
    text TEXT,
    reason TEXT,
    bytes INTEGER,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX thoughts_of ON thoughts (interception_id);

CREATE TABLE tool_calls (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    response_id TEXT,
    tool_call_id TEXT,
    tool TEXT NOT NULL,
    arguments TEXT,
    injected INTEGER NOT NULL,
    server_url TEXT,
    error TEXT,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX tool_calls_of ON tool_calls (interception_id);

CREATE TABLE token_usages (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    response_id TEXT,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read_input INTEGER NOT NULL,
    cache_write_input INTEGER NOT NULL,
    extra TEXT NOT NULL,
    cost_usd REAL,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX token_usages_of ON token_usages (interception_id);

-- One row per bridge that has written here, so that what it left open can be told from what another has under way.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;

-- The health of keys that are not simply well, by salted fingerprint; never a key. `state` is JSON.
CREATE TABLE key_states (
    provider TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (provider, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE salts (salt BLOB NOT NULL) STRICT;
