"""The floor: the SDK's server with a tool that does nothing."""

from mcp.server.mcpserver import MCPServer

from benchmarks.contenders.serving import serve

server = MCPServer("Floor")


@server.tool()
async def get_products() -> str:
    """Return at once."""
    return "[]"


if __name__ == "__main__":
    serve(server.streamable_http_app(), plain=False)
