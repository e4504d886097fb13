-- What tokens read from a cache would have cost more as plain input.

ALTER TABLE token_usages ADD COLUMN cache_saved_usd REAL;
