"""What is kept of past interceptions: a SQLite database, written off the request path, and the ways to read it."""
