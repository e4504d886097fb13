"""TOML, as plain values and read strictly into classes."""
