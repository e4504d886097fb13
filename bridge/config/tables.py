"""What a configuration file may have at the top, and the names in two of its tables: for those who read no more of it.

`bridge.config.settings` has what they all mean.
"""

TABLES = ("server", "record", "providers", "mcp")

NAMES = {
    "server": (
        "host",
        "port",
        "socket",
        "client_tokens",
        "allowed_hosts",
        "byok",
        "max_request_bytes",
        "shutdown_grace",
    ),
    "record": (
        "path",
        "prompts",
        "thoughts",
        "tool_arguments",
        "tool_results",
        "dump_dir",
        "dump_keep",
        "dump_max_bytes",
        "keep",
    ),
}
