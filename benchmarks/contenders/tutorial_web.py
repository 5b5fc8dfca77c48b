"""The tutorial's way of a browser's back end: a new SSE session for every tool call, one after another."""

from typing import Any

from fastapi import FastAPI
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp_types import TextContent
from pydantic import BaseModel

from benchmarks.contenders.serving import argument, serve
from benchmarks.contenders.three_calls import ANSWER, NAMES

app = FastAPI()


class CallToolRequest(BaseModel):
    """A tool to call by hand."""

    server: str
    name: str
    args: dict[str, Any] = {}


class ChatRequest(BaseModel):
    """A question, and what was said before."""

    message: str
    history: list[dict[str, Any]] = []


async def call(url: str, name: str, args: dict[str, Any]) -> str:
    """Open a session, call the tool, close the session."""
    async with sse_client(url) as streams, ClientSession(*streams) as session:
        await session.initialize()
        result = await session.call_tool(name, args)
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@app.post("/api/call-tool")
async def call_tool(request: CallToolRequest) -> dict[str, Any]:
    """Call a tool by hand."""
    return {"result": await call(argument(2), request.name, request.args)}


@app.post("/api/chat")
async def chat(_: ChatRequest) -> dict[str, Any]:
    """Answer with the results of the three tools that a model without any delay asks for."""
    calls = []
    for number, name in enumerate(NAMES):
        calls.append(
            {"name": name, "result": await call(argument(2), name, {}), "tool_call_id": f"call_{number}"}
        )
    return {"response": ANSWER, "toolCalls": calls}


if __name__ == "__main__":
    serve(app, plain=True)
