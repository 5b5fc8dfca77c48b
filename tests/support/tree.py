"""The files of this repository, for the tests about the repository itself."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import ROOT

DOORS = ("api.py", "main.py", "web.py", "models.py")
WINGS = ("serving", "shop", "mcp_server", "assistant")
MADE = {"node_modules", "__pycache__", "build", "dist"}  # by programs, not by us


def files(*suffixes: str) -> list[Path]:
    """All our files with one of these suffixes, wherever git or the tools keep none of theirs."""
    return [path for path in _all_files() if path.suffix in suffixes]


@functools.cache
def _all_files() -> list[Path]:
    return sorted(_walk(ROOT))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.name not in MADE and (not path.name.startswith(".") or path.name == ".ci"):
            yield from _walk(path)


def suite() -> list[Path]:
    """The Python files of the suite: doors, wings and ground."""
    return [path for path in files(".py") if name(path) in DOORS or part(path) in WINGS]


def name(path: Path) -> str:
    """A file's path from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


def part(path: Path) -> str:
    """The first folder of a file's path, or the file itself where it lies in the root."""
    return path.relative_to(ROOT).parts[0]


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> list[str]:
    """The modules that a file, or a part of one, imports, in whatever place."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found
