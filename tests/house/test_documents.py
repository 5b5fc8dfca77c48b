"""Every document that is named anywhere lies in the repository; links say what the text says."""

import json
import re
from base64 import b64decode
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI
from starlette.routing import Route

import web
from assistant.chat.events import Event
from tests.support.processes import ROOT
from tests.support.tree import files, name

SUFFIXES = (".py", ".md", ".js", ".toml", ".css", ".html", ".example", "")
DOCUMENT = re.compile(r"\b([a-zA-Z_-][a-zA-Z_.-]*\.md)\b", re.ASCII)


def test_no_document_is_named_that_a_clone_does_not_have() -> None:
    there = {path.name for path in files(".md")}
    missing = [
        f"{name(path)} names {document}"
        for path in files(*SUFFIXES)
        for document in DOCUMENT.findall(path.read_text(errors="replace"))
        if document not in there
    ]
    assert missing == []


def test_no_section_is_named_of_a_document_that_a_clone_does_not_have() -> None:
    named = re.compile(r"\bDESIGN\b(?!\.md)|\b[Ii]ssue (?:line )?\d+\b")
    found = [
        f"{name(path)}: {match}"
        for path in files(*SUFFIXES)
        if path.name != "test_documents.py"
        for match in named.findall(path.read_text(errors="replace"))
    ]
    assert found == []


def test_every_test_that_holds_an_attack_is_there() -> None:
    named = re.findall(r"`(\S+(?:/test_\w+\.py|\.test\.js))", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 20
    assert [test for test in named if not (ROOT / "tests" / test).is_file()] == []


def test_the_links_that_install_the_server_say_what_the_readme_says() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        links = {
            urlsplit(url).hostname: parse_qs(urlsplit(url).query)
            for url in re.findall(r"\((https://\S+&config=\S+)\)", text)
        }
        entry = {"url": "http://localhost:8083/mcp"}
        assert json.dumps(entry) in text
        assert json.loads(b64decode(links["cursor.com"]["config"][0])) == entry
        assert json.loads(links["insiders.vscode.dev"]["config"][0]) == {"type": "http", **entry}
        assert all(link["name"] == ["product-mcp"] for link in links.values())


def routes(app: FastAPI) -> set[str]:
    """Every route of a service, as `METHOD /path`; of HEAD its GET speaks."""
    kept = [(path, method) for path, methods in app.openapi()["paths"].items() for method in methods]
    kept += [
        (route.path, method)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    ]
    return {f"{method.upper()} {path.replace(':path', '')}" for path, method in kept}


def test_web_md_lists_every_route_and_event_with_its_fields(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "web.md").read_text()
    app = web.create_app(web.Settings(_env_file=None, mcp_config_path=tmp_path / "mcp.json"))
    outside = {"GET /static/{path}", "GET /app-frame"}  # a mount, and a middleware
    assert set(re.findall(r"`((?:GET|POST|PUT|DELETE) /\S*)`", text)) == routes(app) | outside
    of_code = {each.event: [field.name for field in fields(each)] for each in Event.__subclasses__()}
    of_page = {"html": ["html", "keep"], "error": [*of_code["error"], "detail"]}  # see `with_html`
    row = re.compile(r"^\s*\| `(\w+)` \| `\{([^}]*)\}`", re.MULTILINE)
    for place in (text, web.stream.__doc__ or ""):
        listed = {name: named.split(", ") for name, named in row.findall(place)}
        assert listed == of_code | of_page
