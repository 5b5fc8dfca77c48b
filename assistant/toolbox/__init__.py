"""`mcp.json` in every dialect, live links to its servers, their tools and results."""

from assistant.toolbox.config import read_config
from assistant.toolbox.server import Trust
from assistant.toolbox.toolbox import Toolbox

__all__ = ["Toolbox", "Trust", "read_config"]
