"""`mcp.json` in every dialect, live connections, tools and their results."""
