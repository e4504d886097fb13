-- With which key each agent of a session was served, so that it stays there over a restart: by salted hashes of its name
-- and of the key alone. And the moves from one key to another, by hints.

CREATE TABLE homes (
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    PRIMARY KEY (provider, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX homes_by_time ON homes (saved_at);

CREATE TABLE key_moves (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    session_id TEXT,
    agent_id TEXT,
    "from" TEXT NOT NULL,
    "to" TEXT NOT NULL,
    cause TEXT NOT NULL,
    cache_lost INTEGER,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX key_moves_of ON key_moves (interception_id);
