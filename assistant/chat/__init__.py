"""The tool-calling loop; it knows neither the MCP SDK, nor FastAPI, nor a provider."""

from assistant.chat.loop import Chat

__all__ = ["Chat"]
