"""Codes inside, sentences at the rim: no program of ours reads one of our sentences back.

A sentence is a text in a `sentences.py`, or in SENTENCES of `serving/settings.py`, without its parameters.
Found is each comparison (`==`, `in`, `startswith`, `split`, a pattern, a `case`, …) with a text that shares
four characters with a sentence. Single English words are left out: `JSON`, `HTTP`, `MCP_TOKEN` are names of
things and no prose; two words with a blank between them are prose.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.tree import files, name, parsed, suite

SHARED = 4  # characters
METHODS = {"startswith", "endswith", "find", "rfind", "index", "count", "removeprefix", "removesuffix"}
METHODS |= {"split", "rsplit", "partition", "rpartition", "replace", "strip", "lstrip", "rstrip"}
PATTERNS = {"compile", "search", "match", "fullmatch", "findall", "finditer", "sub"}
PARAMETER = re.compile(r"\{[^{}]*\}")
METACHARACTERS = re.compile(r"[\\^$.|?*+()\[\]{}]")
JAVASCRIPT = re.compile(
    r"""(?:[!=]==?|\.(?:includes|startsWith|endsWith|indexOf|match|search|split|replace|replaceAll)\()\s*(["'`/])(.+?)\1"""
)


def texts(node: ast.AST) -> Iterator[str]:
    """The texts in an expression; of a dict its keys, which are what `in` looks at."""
    if isinstance(node, ast.Dict):
        for key in node.keys:
            yield from texts(key) if key else ()
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def tables() -> list[Path]:
    return [path for path in suite() if path.name == "sentences.py"]


def sentences() -> list[str]:
    """All texts of our tables but docstrings and codes."""
    found: list[str] = []
    for path in [*tables(), ROOT / "serving" / "settings.py"]:
        for node in parsed(path).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            if path.name == "sentences.py" or "SENTENCES" in ast.unparse(node).split("=")[0]:
                dicts = [item for item in ast.walk(node) if isinstance(item, ast.Dict)]
                values = [value for item in dicts for value in item.values] or [node.value]
                found += [text for value in values for text in texts(value)]
    return found


def pieces(text: str) -> set[str]:
    """All runs of four characters that are prose."""
    runs = {text[at : at + SHARED] for at in range(len(text) - SHARED + 1)}
    return {run for run in runs if re.search(r"[^\W\d_a-zA-Z]|[a-z] [a-z]", run)}


def prose(literals: Iterable[str]) -> set[str]:
    return {piece for text in literals for part in PARAMETER.split(text) for piece in pieces(part)}


def constants(paths: Iterable[Path]) -> dict[str, ast.AST]:
    """What modules name in capitals, by its name."""
    return {
        _last_name(target): node.value
        for path in paths
        for node in parsed(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if _last_name(target).isupper()
    }


def compared(tree: ast.AST, known: dict[str, ast.AST]) -> Iterator[tuple[int, str]]:
    """Each text that is compared with, its line before it."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and _last_name(node.func) in METHODS | PATTERNS:
            parts = [*node.args]
        for part in parts:
            for text in _named_or_written(part, known):
                yield part.lineno, text


def _named_or_written(node: ast.AST, known: dict[str, ast.AST]) -> Iterator[str]:
    yield from texts(node)
    for inner in ast.walk(node):
        if _last_name(inner) in known:
            yield from texts(known[_last_name(inner)])


def _last_name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def shares(text: str, prosaic: set[str]) -> bool:
    return any(pieces(part) & prosaic for part in METACHARACTERS.split(text))


def test_the_tables_are_found() -> None:
    assert "应为整数" in sentences()
    assert len(sentences()) > len(tables()) * 3


def test_no_program_compares_with_a_part_of_a_sentence() -> None:
    prosaic, known, written = prose(sentences()), constants(suite()), tables()
    found = [
        f"{name(path)}:{line} {text!r}"
        for path in suite()
        if path not in written
        for line, text in compared(parsed(path), known)
        if shares(text, prosaic)
    ]
    assert found == []


def test_no_script_of_the_page_does() -> None:
    prosaic = prose(sentences())
    found = [
        f"{name(path)} {text!r}"
        for path in files(".js")
        for _, text in JAVASCRIPT.findall(path.read_text(encoding="utf-8"))
        if shares(text, prosaic)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "text == '错误: 库存不足'",
        "'库存不足. ' in text",
        "text.startswith('商品 x 库存不足')",
        "re.search(r'^库存不足. 可用: (\\d+)', text)",
        "text in {'a', '库存不足. 可用: 1'}",
        "text.removeprefix(NAMED)",
        "text == sentences.NAMED",
        "'cannot be' in text",
    ],
)
def test_a_comparison_with_a_part_of_a_sentence_is_found(line: str) -> None:
    prosaic = prose(["商品 {name} 库存不足. 可用: {available}", "The shop cannot be reached at {url}"])
    known: dict[str, ast.AST] = {"NAMED": ast.parse("'库存不足. 可用'", mode="eval").body}
    assert any(shares(text, prosaic) for _, text in compared(ast.parse(line), known))


@pytest.mark.parametrize("line", ["code == 'out_of_stock'", "'库存' in question", "text.startswith('HTTP')"])
def test_codes_questions_and_names_of_things_are_no_sentences(line: str) -> None:
    prosaic = prose(["库存不足", "an HTTP answer"])
    assert not any(shares(text, prosaic) for _, text in compared(ast.parse(line), {}))
