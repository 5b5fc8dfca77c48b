"""What the figures of a run depend on: when and where it was, of what, and how busy the machine was."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.results import Result
from benchmarks.services import ROOT

PACKAGES = (
    *("mcp", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic"),
    *("httpx", "httpx2", "httpx-aiohttp", "aiohttp"),
)
QUIET = 0.5  # load a core, at the begin, up to which the ratios of two runs can be compared


@dataclass(frozen=True)
class Run:
    """One command, from its begin to its end; load is that of the last minute."""

    runs: int
    began: datetime
    load_before: float
    commit: str
    minutes: float = 0.0
    load_after: float = 0.0
    python: str = platform.python_version()
    system: str = platform.platform()
    cores: int = os.cpu_count() or 1
    versions: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def begin(cls, runs: int) -> "Run":
        """Note how it is before the first part."""
        return cls(runs, datetime.now(UTC), _load(), _commit())

    def end(self, results: Sequence[Result]) -> "Run":
        """Note how it is after the last part."""
        minutes = (datetime.now(UTC) - self.began).total_seconds() / 60
        versions = {"here": {package: importlib.metadata.version(package) for package in PACKAGES}}
        for result in results:
            versions |= {name: dict(packages) for name, packages in result.versions.items()}
        return replace(self, minutes=minutes, load_after=_load(), versions=versions)

    def text(self) -> str:
        """Return it as Markdown."""
        runs = "one run" if self.runs == 1 else f"{self.runs} runs"
        busy = "" if self.load_before <= QUIET * self.cores else ", **busy: repeat it on an idle machine**"
        lines = [
            f"{self.began:%d %B %Y, %H:%M} UTC, commit `{self.commit}`: {runs}, "
            f"{self.minutes:.1f} minutes in all.",
            f"Load {self.load_before:.2f} at the begin{busy}, {self.load_after:.2f} at the end; "
            f"{self.cores} cores, {self.system}, Python {self.python}.",
            "",
        ]
        for name, packages in self.versions.items():
            told = ", ".join(f"{package} {version}" for package, version in packages.items())
            lines.append(f"- {name}: {told}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return it for a file."""
        return asdict(self) | {"began": self.began.isoformat(timespec="seconds")}


def _load() -> float:
    if sys.platform == "win32":
        raise NotImplementedError
    return os.getloadavg()[0]


def _commit() -> str:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return "unknown"
    command = [git, "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=7"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
