-- How much a request held, whether both bodies crossed byte for byte, what the bridge added to the request by itself
-- (JSON), and at which tier and speed the request asked to be served: what was served stands beside it.

ALTER TABLE interceptions ADD COLUMN bytes_in INTEGER;
ALTER TABLE interceptions ADD COLUMN request_equal INTEGER;
ALTER TABLE interceptions ADD COLUMN answer_equal INTEGER;
ALTER TABLE interceptions ADD COLUMN added TEXT;
ALTER TABLE interceptions ADD COLUMN asked_service_tier TEXT;
ALTER TABLE interceptions ADD COLUMN asked_speed TEXT;

-- Sums by what was served now tell what was asked for, too: those of days that are over are made anew.
DELETE FROM sums;
DELETE FROM summed_days;
