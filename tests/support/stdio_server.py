"""An MCP server over stdio, started by the toolbox's tests."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("stdio")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


if __name__ == "__main__":
    server.run("stdio")
