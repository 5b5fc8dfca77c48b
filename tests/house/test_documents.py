"""Every document that is named anywhere lies in the repository."""

import re

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
