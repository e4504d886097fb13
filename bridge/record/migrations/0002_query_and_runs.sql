-- What a request's URL said, and why a request was relayed unread. A run is known by the lock file that its bridge holds
-- while it lives, since another process may get its number. And how far a spill file has been taken in.

ALTER TABLE interceptions ADD COLUMN query TEXT;
ALTER TABLE interceptions ADD COLUMN unread TEXT;

ALTER TABLE runs ADD COLUMN token TEXT;

CREATE TABLE spills (
    token TEXT PRIMARY KEY,
    lines INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
