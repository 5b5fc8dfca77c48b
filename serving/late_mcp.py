"""MCP's messages as each version of the protocol has them: 300 models, of which a service meets few.

Not those that all versions share: the SDK uses them in unions that are built at once.
"""

from serving.importing import built_when_used

import mcp_types

with built_when_used():
    import mcp_types.methods  # noqa: F401
