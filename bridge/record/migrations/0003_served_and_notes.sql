-- What really answered, how an interception failed, which model's tokens these are, how long a withheld thought was by
-- the provider's estimate, and what answers hold beside thoughts, calls and text.

ALTER TABLE interceptions ADD COLUMN served_model TEXT;
ALTER TABLE interceptions ADD COLUMN service_tier TEXT;
ALTER TABLE interceptions ADD COLUMN speed TEXT;
ALTER TABLE interceptions ADD COLUMN error_type TEXT;

ALTER TABLE token_usages ADD COLUMN model TEXT;
ALTER TABLE token_usages ADD COLUMN context_window INTEGER;
ALTER TABLE token_usages ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;

ALTER TABLE thoughts ADD COLUMN estimated_tokens INTEGER;

CREATE TABLE notes (
    interception_id TEXT NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX notes_of ON notes (interception_id);
