"""What can be set, where it is read from, and which rules it must keep."""
