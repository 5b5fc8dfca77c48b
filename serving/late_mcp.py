"""MCP's models of which a service needs few: its messages as each version has them, and the SDK's own; 350.

Not the messages that all versions share: the SDK uses them in unions that are built at once.
"""

from serving.importing import built_when_used

import mcp_types

with built_when_used():
    import mcp  # noqa: F401
    import mcp_types.methods  # noqa: F401
