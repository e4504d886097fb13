"""Anthropic as the simulator plays it: its HTTP manners and Messages."""
