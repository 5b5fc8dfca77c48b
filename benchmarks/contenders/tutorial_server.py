"""The tutorial's way of an MCP server: the SDK's high-level server over SSE, plain uvicorn."""

from mcp.server.mcpserver import MCPServer

from benchmarks.contenders.serving import serve
from benchmarks.contenders.shop_tools import TOOLS

server = MCPServer("Product MCP Server")
for tool in TOOLS:
    server.tool()(tool)

if __name__ == "__main__":
    serve(server.sse_app(), plain=True)
