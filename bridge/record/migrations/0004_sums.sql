-- Sums of days that are over, so that nobody adds up a million interceptions to see a week. They are made in the
-- background (bridge/record/upkeep.py). Whatever changes in a day takes its mark away, and its sums with it: a late
-- answer, a price, what is pruned. A day without a complete mark is added up from its interceptions.

CREATE TABLE summed_days (
    day TEXT PRIMARY KEY,
    complete INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sums (
    day TEXT NOT NULL REFERENCES summed_days (day) ON DELETE CASCADE,
    grouping TEXT NOT NULL,
    name TEXT,
    interceptions INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read_input INTEGER NOT NULL,
    cache_write_input INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    partial INTEGER NOT NULL,
    cost_usd REAL
) STRICT;

CREATE INDEX sums_of ON sums (day);

CREATE TRIGGER sums_miss_interception AFTER INSERT ON interceptions BEGIN
    DELETE FROM summed_days WHERE day = substr(NEW.started_at, 1, 10);
END;

CREATE TRIGGER sums_miss_end AFTER UPDATE ON interceptions BEGIN
    DELETE FROM summed_days WHERE day = substr(OLD.started_at, 1, 10);
END;

CREATE TRIGGER sums_hold_pruned AFTER DELETE ON interceptions BEGIN
    DELETE FROM summed_days WHERE day = substr(OLD.started_at, 1, 10);
END;

CREATE TRIGGER sums_miss_key AFTER INSERT ON attempts BEGIN
    DELETE FROM summed_days
    WHERE day = (SELECT substr(started_at, 1, 10) FROM interceptions WHERE id = NEW.interception_id);
END;

CREATE TRIGGER sums_miss_tokens AFTER INSERT ON token_usages BEGIN
    DELETE FROM summed_days
    WHERE day = (SELECT substr(started_at, 1, 10) FROM interceptions WHERE id = NEW.interception_id);
END;

CREATE TRIGGER sums_miss_price AFTER UPDATE ON token_usages BEGIN
    DELETE FROM summed_days
    WHERE day = (SELECT substr(started_at, 1, 10) FROM interceptions WHERE id = NEW.interception_id);
END;

CREATE TRIGGER sums_hold_tokens AFTER DELETE ON token_usages BEGIN
    DELETE FROM summed_days
    WHERE day = (SELECT substr(started_at, 1, 10) FROM interceptions WHERE id = OLD.interception_id);
END;
