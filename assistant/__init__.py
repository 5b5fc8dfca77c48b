"""The chat behind `web.py`: the loop, the tools of every MCP server, models, and what the page is sent."""
