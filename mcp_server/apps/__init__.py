"""The shop's own face in hosts with MCP Apps: one HTML document each, complete in itself, without a network.

Written as a page of files is, so that what the documents share stands once and tools can check it; a
document is put together when it is first read.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from mcp.server.apps import APP_MIME_TYPE, ResourceCsp

NAMES = ("products", "receipt", "stock", "sales")
ADDRESS = "ui://product-mcp/{}.html"
NOTHING = ResourceCsp(connect_domains=[], resource_domains=[], frame_domains=[], base_uri_domains=[])
MIME_TYPE = APP_MIME_TYPE
META = {"ui": {"csp": NOTHING.model_dump(by_alias=True), "prefersBorder": True}}  # of a document

_FOLDER = Path(__file__).parent
_STYLE = re.compile(r'<link rel="stylesheet" href="(\w+\.css)">')
_SCRIPT = re.compile(r'<script type="module" src="(\w+\.js)"></script>')
_IMPORT = re.compile(r'^import [^;]*? from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def shown_by(name: str) -> dict[str, Any]:
    """Return what a tool's `_meta` says of the app that shows its calls."""
    return {"ui": {"resourceUri": ADDRESS.format(name)}}


def document(uri: str) -> str | None:
    """Return the HTML document under an address, if there is one."""
    return next((_composed(name) for name in NAMES if ADDRESS.format(name) == uri), None)


@cache
def _composed(name: str) -> str:
    styled = _STYLE.sub(lambda link: f"<style>\n{_file(link[1])}</style>", _file(f"{name}.html"))
    return _SCRIPT.sub(lambda script: f'<script type="module">\n{_script(script[1])}</script>', styled)


def _script(name: str) -> str:
    """Return a module with the one that it imports before it."""
    text = _file(name)
    imported = "".join(_EXPORT.sub("", _file(module)) for module in _IMPORT.findall(text))
    return imported + _IMPORT.sub("", text)


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
