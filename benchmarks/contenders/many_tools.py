"""An MCP server with as many tools as the command line says; a back end may have it under many names."""

from mcp.server.mcpserver import MCPServer

from benchmarks.contenders.serving import argument, serve

server = MCPServer("Many")


def tool(number: int) -> None:
    """Add a tool of its own name and of two arguments."""

    def work(place: str, quantity: int = 1) -> str:
        return f"{number} {place} {quantity}"

    server.add_tool(
        work, name=f"work_{number}", description=f"Moves {number} pieces to a place and counts them."
    )


if __name__ == "__main__":
    for each in range(int(argument(2))):
        tool(each)
    serve(server.streamable_http_app(), plain=False)
