"""The bridge as seen by its operator: logs and metrics."""
