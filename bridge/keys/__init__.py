"""A provider's API keys: their states, who is tried next, when a resting key may work again. No I/O here."""
