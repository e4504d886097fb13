"""Clearspan's proxy: relays agents' requests to LLM providers, fails over between API keys, and tells what it sees."""

__version__ = "0.1.0"
