"""The terminal that the monitor stands on, lent to another program for a while."""
