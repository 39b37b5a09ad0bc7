"""MCP servers that others wrote, before our client and before the whole service."""
