"""The pins of what the direct dependencies pull in: `uv run python -m tests.house.pins` renews them.

With `--upgrade` each moves to its newest version that fits; without, only what a changed dependency needs.
"""

import re
import subprocess
import sys
import tomllib
from typing import Any

from tests.support.processes import ROOT

COMMAND = "uv run python -m tests.house.pins"
PYPROJECT, LOCK = ROOT / "pyproject.toml", ROOT / "uv.lock"
LIST = re.compile(r"^constraint-dependencies = \[\n.*?^\]", re.MULTILINE | re.DOTALL)


def project() -> dict[str, Any]:
    """What `pyproject.toml` says."""
    return tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))


def direct(content: dict[str, Any]) -> list[str]:
    """The direct dependencies of the suite, its extras and its groups."""
    extras = content["project"].get("optional-dependencies", {}).values()
    groups = content["dependency-groups"].values()
    return [*content["project"]["dependencies"], *(line for part in (*extras, *groups) for line in part)]


def resolved(content: dict[str, Any]) -> list[str]:
    """What uv's lock says that is no direct dependency, each with its version."""
    named = {distribution(line) for line in direct(content)}
    packages = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    pulled_in = {
        package["name"]: package["version"]
        for package in packages
        if "registry" in package["source"] and package["name"] not in named
    }
    return [f"{name}=={version}" for name, version in sorted(pulled_in.items())]


def distribution(requirement: str) -> str:
    """The name in a requirement, as indexes write it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def renew(*options: str) -> None:
    """Resolve without the list, then write the list."""
    text = PYPROJECT.read_text(encoding="utf-8")
    PYPROJECT.write_text(LIST.sub("constraint-dependencies = [\n]", text), encoding="utf-8")
    try:
        subprocess.run(["uv", "lock", *options], cwd=ROOT, check=True)
        lines = "".join(f'    "{pin}",\n' for pin in resolved(project()))
        text = LIST.sub(f"constraint-dependencies = [\n{lines}]", text)
    finally:
        PYPROJECT.write_text(text, encoding="utf-8")
    subprocess.run(["uv", "lock"], cwd=ROOT, check=True)


if __name__ == "__main__":
    renew(*sys.argv[1:])
