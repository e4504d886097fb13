"""Clearspan's terminal dashboard: a picture of the bridge drawn from its events, in a process of its own."""
