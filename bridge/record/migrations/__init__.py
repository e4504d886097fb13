"""The record's schema, one numbered step a file."""
