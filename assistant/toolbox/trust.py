"""What of `mcp.json` the people of this machine have allowed: commands, and variables for an address."""

from pathlib import Path

from assistant.toolbox.server import Server


class Trust:
    """Entries that may be used, each known by its entry's fingerprint: another entry is another question.

    Kept as a file each in a folder, so that processes which allow entries at once do not undo one another;
    without a folder for this process only. `everything` allows all.
    """

    def __init__(self, folder: Path | None = None, *, everything: bool = False) -> None:
        self._folder = folder
        self._everything = everything
        self._allowed: set[str] = set()

    def covers(self, server: Server) -> bool:
        """Whether the server may be connected to: it asks for nothing, or is allowed."""
        if not server.needs_consent or self._everything or server.fingerprint in self._allowed:
            return True
        return self._folder is not None and (self._folder / server.fingerprint).is_file()

    def allow(self, server: Server) -> None:
        """Remember that this very entry may be used. Raises OSError: the folder cannot be written."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / server.fingerprint).touch(mode=0o600)
        self._allowed.add(server.fingerprint)
