"""FastMCP 4 with the same four tools over the same service, run as its documentation says."""

import importlib

from benchmarks.contenders.serving import argument
from benchmarks.contenders.shop_tools import TOOLS

if __name__ == "__main__":
    # By name: it is in an environment of its own, where the type checker does not look.
    server = importlib.import_module("fastmcp").FastMCP("Product MCP Server")
    for tool in TOOLS:
        server.tool(tool)
    server.run(
        transport="http",
        host="127.0.0.1",
        port=int(argument(1)),
        path="/mcp",
        show_banner=False,
        log_level="warning",
    )
