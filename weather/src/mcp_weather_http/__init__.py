"""The weather as an MCP tool, over Streamable HTTP."""

from mcp_weather_http.server import main

__all__ = ["main"]
