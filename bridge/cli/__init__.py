"""The commands: a thin layer that reads options, puts parts together, and prints."""
