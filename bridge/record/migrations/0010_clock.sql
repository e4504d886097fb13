-- The clock by which is said what is old: how far it was believed. And one that is doubted: what it said last, and for how
-- many seconds bridges have run by it.

CREATE TABLE clock (
    believed_at TEXT NOT NULL,
    doubted_at TEXT,
    followed_s REAL NOT NULL
) STRICT;
