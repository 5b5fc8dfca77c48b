"""The shop's own face in hosts with MCP Apps: one HTML document each, complete in itself, without a network.

Written as files, so that what the documents share stands once and tools can check it; a document is put
together when it is first read.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from mcp.server.apps import APP_MIME_TYPE, ResourceCsp

TITLES = {"products": "商品", "receipt": "订单", "stock": "库存", "sales": "销售"}
ADDRESS = "ui://product-mcp/{}.html"
NOTHING = ResourceCsp(connect_domains=[], resource_domains=[], frame_domains=[], base_uri_domains=[])
MIME_TYPE = APP_MIME_TYPE
META = {"ui": {"csp": NOTHING.model_dump(by_alias=True), "prefersBorder": True}}  # of a document

_FOLDER = Path(__file__).parent
_DOCUMENT = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
{style}</style></head>
<body>
{body}<script type="module">
{script}</script></body>
</html>
"""
_IMPORT = re.compile(r'^import [^;]*? from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def shown_by(name: str) -> dict[str, Any]:
    """Return what a tool's `_meta` says of the app that shows its calls."""
    return {"ui": {"resourceUri": ADDRESS.format(name)}}


def document(uri: str) -> str | None:
    """Return the HTML document under an address, if there is one."""
    return next((_composed(name) for name in TITLES if ADDRESS.format(name) == uri), None)


@cache
def _composed(name: str) -> str:
    script = _file(f"{name}.js")
    imported = "".join(_EXPORT.sub("", _file(module)) for module in _IMPORT.findall(script))
    parts = {"style": _file("style.css"), "body": _file(f"{name}.html")}
    return _DOCUMENT.format(title=TITLES[name], script=imported + _IMPORT.sub("", script), **parts)


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
