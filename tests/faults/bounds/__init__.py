"""Loads that would take a bridge's memory or time if it had no bounds, and what it holds under each."""
