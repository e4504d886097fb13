"""Tools of MCP servers, offered to the model beside the client's own."""
