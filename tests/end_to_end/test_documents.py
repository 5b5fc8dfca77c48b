"""What the README, in both languages, and the documents claim is run."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.toolbox import read_config
from tests.support.processes import ROOT, require
from tests.support.suite import Suite

READMES = ["README.md", "README.zh-CN.md"]
DOCUMENTS = [*READMES, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md")))]
WINGS = ["serving", "shop", "mcp_server", "assistant"]


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def blocks(language: str, *documents: str) -> list[str]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for document in documents for block in pattern.findall(text_of(document))]


def table(document: str, head: str) -> list[list[str]]:
    """Return the rows of the table whose first line begins so."""
    lines = text_of(document).split(f"\n{head}", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Give a shop and its MCP server for all that leaves the other tests' answers as they are."""
    suite = Suite(tmp_path_factory.mktemp("shop"))
    suite.start("api", "main")
    yield suite
    suite.stop()


@pytest.mark.anyio
@pytest.mark.parametrize(("document", "head"), [("README.md", "| ask |"), ("README.zh-CN.md", "| 问 |")])
async def test_asking_this_shows_that(suite: Suite, document: str, head: str) -> None:
    suite.start("api", "main", "web")
    async with suite.browser() as browser:
        await browser.until("ready")
        for question, see in table(document, head):
            await browser.ask(question.strip("`"))
            seen = browser.seen
            if browser.waiting:
                await browser.confirm()
                seen += browser.seen
            for claim in re.findall(r"`([^`]+)`", see):
                assert claim in seen, f"{question} → {claim}"


@pytest.mark.parametrize("code", blocks("python", "docs/clients.md", "docs/architecture.md"))
def test_each_example_runs(shop: Suite, code: str) -> None:
    (shop.folder / "example.py").write_text(code.replace("localhost:8083", f"localhost:{shop.mcp}"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=shop.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "无线蓝牙耳机Pro" in done.stdout


@pytest.mark.parametrize("text", [block for block in blocks("json", *DOCUMENTS) if "ervers" in block])
def test_each_configuration_can_be_pasted(tmp_path: Path, text: str) -> None:
    (tmp_path / "mcp.json").write_text(text)
    environment = {"MCP_TOKEN": "a token"}
    assert not [server.error for server in read_config(tmp_path / "mcp.json", environment) if server.error]


@pytest.mark.parametrize("document", READMES)
def test_each_curl_does_what_it_shows(shop: Suite, document: str) -> None:
    require("curl")
    script = next(block for block in blocks("bash", document) if block.startswith("curl localhost:8000"))
    shown = script.replace("localhost:8000", f"localhost:{shop.api}")
    done = subprocess.run(
        [require("bash"), "-ec", shown], capture_output=True, text=True, timeout=150, check=True
    )
    assert '"totalAmount":899.0' in done.stdout


def test_the_owners_desk_answers_as_shown(shop: Suite) -> None:
    require("curl")
    buying = next(block for block in blocks("bash", "README.md") if block.startswith("curl localhost:8000"))
    desk = next(block for block in blocks("bash", "docs/settings.md") if block.startswith("SHOP="))
    shown = (buying + desk).replace("localhost:8000", f"localhost:{shop.api}")
    done = subprocess.run(
        [require("bash"), "-ec", shown], capture_output=True, text=True, timeout=150, check=True
    )
    assert [*re.findall(r'"kind":"(\w+)"', done.stdout)] == ["delivery", "delivery", "opening"]
    assert '"status":"cancelled"' in done.stdout


def test_the_four_modes_of_the_tutorial_answer_as_shown(shop: Suite) -> None:
    require("curl")
    script = next(block for block in blocks("bash", "docs/streamable-http.md") if block.startswith("MCP="))
    shown = script.replace("localhost:8083", f"localhost:{shop.mcp}")
    done = subprocess.run(
        [require("bash"), "-ec", shown],
        cwd=shop.folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    assert "Galaxy" in done.stdout  # stateless
    assert done.stdout.count("notifications/progress") >= 6  # two steps: made, in the session, and again
    assert done.stdout.count('\\"totalAmount\\":299.0') == 3


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_file_and_place_that_is_named_exists(document: str) -> None:
    here = ROOT / document
    for name, place in re.findall(r"\]\(([^):#]*)#?([^):]*)\)", text_of(document)):
        file = here.parent / name if name else here
        assert file.exists(), name
        heads = re.findall(r"^#+ (.*)", file.read_text(), re.MULTILINE) if place else []
        assert not place or place in [
            re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads
        ]
    for name in re.findall(r"uv run python (\w+\.py)", text_of(document)):
        assert (ROOT / name).exists(), name


def test_every_sentence_that_a_document_quotes_is_one_of_ours() -> None:
    folders = (ROOT / name for name in (*WINGS, "public"))
    rooms = [path for each in folders for path in each.rglob("*") if path.suffix in {".py", ".json"}]
    said = "".join(path.read_text() for path in (*rooms, *ROOT.glob("*.py")))
    quoted = {
        part
        for path in (ROOT / "docs").glob("*.md")
        for quote in re.findall(r"`([^`\n]+)`", path.read_text())
        for part in re.findall(r"[\u4e00-\u9fff，]{4,}", quote)
    }
    assert len(quoted) > 30
    assert [part for part in sorted(quoted) if part not in said] == []


LINK = r"\]\(((?:docs|weather|benchmarks)/[^)]+)\)"


def test_the_readmes_say_the_same_in_two_languages() -> None:
    shapes = [
        (
            text_of(document).count("\n## "),
            blocks("bash", document)[0],
            blocks("powershell", document),
            blocks("ini", document),
            blocks("json", document),
            re.findall(LINK, text_of(document).replace(".zh-CN.png", ".en.png")),
        )
        for document in READMES
    ]
    assert shapes[0] == shapes[1]


def test_every_setting_is_explained_in_one_way_with_its_default() -> None:
    example, table = (
        (ROOT / name).read_text().replace("`", "") for name in (".env.example", "docs/settings.md")
    )
    above = r"((?:^# (?!---).*\n)+)^([A-Z_]+)=(.*)$"
    given = re.findall(above, example, re.MULTILINE)
    row = r"^\| ([A-Z_]+) \| (\S*) \| (.*) \|$"
    explained = {name: (default, told) for name, default, told in re.findall(row, table, re.MULTILINE)}
    assert explained == {name: (default, told[2:-1].replace("\n# ", " ")) for told, name, default in given}


def test_every_room_is_described() -> None:
    rooms = {f"{name}.py" for name in ("api", "main", "web", "models")} | {
        str(path.relative_to(ROOT))
        for wing in WINGS
        for path in (ROOT / wing).rglob("*.py")
        if path.name != "__init__.py"
    }
    described = re.findall(r"^\| `([\w/]+\.py)` ", text_of("docs/architecture.md"), re.MULTILINE)
    assert sorted(described) == sorted(rooms)


def test_the_loop_and_the_toolbox_take_fifteen_lines() -> None:
    example = blocks("python", "docs/architecture.md")[0]
    assert sum(1 for line in example.splitlines() if line.strip()) <= 15
    ast.parse(example)


def test_the_picture_and_the_configuration_are_the_projects_own() -> None:
    assert json.loads((ROOT / "mcp.json").read_text())["mcpServers"]["product-mcp"]["url"].endswith(
        ":8083/mcp"
    )
    for name in ("page.en.png", "page.zh-CN.png"):
        assert (ROOT / "docs" / name).read_bytes().startswith(b"\x89PNG")
