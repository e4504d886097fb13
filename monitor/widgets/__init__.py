"""One widget a file; each paints lines that pure functions made."""
