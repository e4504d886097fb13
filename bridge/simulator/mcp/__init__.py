"""A small MCP server to play with: tools that answer, fail, hang, and send much."""
