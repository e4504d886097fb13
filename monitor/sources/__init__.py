"""Where events come from: a bridge's socket, a recorded log, a replay."""
