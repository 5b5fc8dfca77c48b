"""A model without any delay: it asks for three tools in one round, then answers."""

from collections.abc import AsyncGenerator
from typing import Any

from assistant.chat.history import Message
from assistant.chat.interfaces import Piece, Reply, ToolRequest

NAMES = ("get_products", "get_inventory", "get_orders")
ANSWER = "有四种商品，都有货。"


class ThreeCalls:
    """The model for our chat loop; the tutorial's way plays the same script."""

    name = "three-calls"
    demo = True
    window: int | None = None

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Ask for the tools after a question, and answer after their results."""
        if messages[-1].get("role") == "tool":
            yield ANSWER
            yield Reply(ANSWER)
            return
        offered = [tool["function"]["name"] for tool in tools]
        wanted = [name for name in offered if name.endswith(NAMES)]
        yield Reply("", [ToolRequest(name, "{}") for name in wanted], "tool_calls")
