-- What a provider said when an attempt failed.

ALTER TABLE attempts ADD COLUMN cause_text TEXT;
