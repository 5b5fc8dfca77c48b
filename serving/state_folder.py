"""The user's own folder of what a service remembers between starts; never the project's."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_state_path

from serving.server import StartError

# What a project's `.env`, which honcho makes part of the environment, may not say: where this folder is, and
# that nobody need be asked.
NOT_A_CLONES = {
    "WEB_STATE_DIR",
    "WEB_TRUST_COMMANDS",
    "XDG_STATE_HOME",
    "HOME",
    "LOCALAPPDATA",
    "USERPROFILE",
}


def state_folder(given: Path | None, projects: Iterable[Path]) -> Path:
    """Return the folder, `given` or the system's own for the user; it is made when something is written.

    Raises StartError: it is relative, lies in one of `projects`, or belongs to somebody else.
    """
    folder = given or user_state_path("product-mcp", appauthor=False)
    inside = any(folder.resolve().is_relative_to(project.resolve()) for project in projects)
    if given is not None and (inside or not given.is_absolute()):
        raise StartError(f"WEB_STATE_DIR={given} 不行：应当是一个绝对路径，而且不在项目里")
    if sys.platform != "win32" and folder.exists():
        status = folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise StartError(f"{folder} 不属于当前用户，或者别人也能写，请设置 WEB_STATE_DIR")
    return folder
