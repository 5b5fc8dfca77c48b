"""The MCP server behind `main.py`: tools' arguments, prompts, and the client of the shop's REST service."""
