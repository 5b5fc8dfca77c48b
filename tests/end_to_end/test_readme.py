"""What the README claims is run."""

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

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> Iterator[list[str]]:
    table = README.split(f"## {heading}", 1)[1].split("\n\n|", 1)[1].split("\n\n", 1)[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.anyio
async def test_asking_this_shows_that(suite: Suite) -> None:
    suite.start("api", "main", "web")
    suite.up("api", "main", "web")
    async with suite.browser() as browser:
        await browser.until("ready")
        for question, see in rows("Ask this, see that"):
            await browser.ask(question.strip("`"))
            seen = browser.seen
            if browser.waiting:
                await browser.confirm()
                seen += browser.seen
            for claim in re.findall(r"`([^`]+)`", see):
                assert claim in seen, f"{question} → {claim}"


@pytest.mark.parametrize("code", blocks("python"))
def test_each_example_runs(suite: Suite, code: str) -> None:
    suite.start("api", "main")
    suite.up("api", "main")
    (suite.folder / "example.py").write_text(code.replace("localhost:8083", f"localhost:{suite.mcp}"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=suite.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "无线蓝牙耳机Pro" in done.stdout


@pytest.mark.parametrize("text", [block for block in blocks("json") if "ervers" in block])
def test_each_configuration_can_be_pasted(tmp_path: Path, text: str) -> None:
    (tmp_path / "mcp.json").write_text(text)
    environment = {"MCP_TOKEN": "a token"}
    assert not [server.error for server in read_config(tmp_path / "mcp.json", environment) if server.error]


def test_each_curl_does_what_it_shows(suite: Suite) -> None:
    require("curl")
    suite.start("api")
    suite.up("api")
    for script in (block for block in blocks("bash") if block.startswith("curl localhost:8000")):
        shown = script.replace("localhost:8000", f"localhost:{suite.api}")
        done = subprocess.run(
            [require("bash"), "-ec", shown], capture_output=True, text=True, timeout=30, check=True
        )
        assert '"totalAmount":899.0' in done.stdout


def test_the_four_modes_of_the_tutorial_answer_as_shown(suite: Suite) -> None:
    require("curl")
    suite.start("api", "main")
    suite.up("api", "main")
    script = next(block for block in blocks("bash") if block.startswith("MCP="))
    shown = script.replace("localhost:8083", f"localhost:{suite.mcp}")
    done = subprocess.run(
        [require("bash"), "-ec", shown],
        cwd=suite.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Galaxy" in done.stdout  # stateless
    assert done.stdout.count("notifications/progress") >= 6  # two steps: made, in the session, and again
    assert done.stdout.count('\\"totalAmount\\":299.0') == 3


def test_each_file_and_setting_that_is_named_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    for name in re.findall(r"uv run python (\w+\.py)", README):
        assert (ROOT / name).exists(), name
    known = (ROOT / ".env.example").read_text()
    for row in rows("Settings"):
        for name in re.findall(r"`([A-Z_]+)`", row[0]):
            assert f"\n{name}=" in known, name


def test_every_room_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+\.py)` ", README, re.MULTILINE))
    assert described == {path.name for path in ROOT.glob("*.py")}


def test_the_picture_and_the_configuration_are_the_projects_own() -> None:
    assert json.loads((ROOT / "mcp.json").read_text())["mcpServers"]["product-mcp"]["url"].endswith(
        ":8083/mcp"
    )
    assert (ROOT / "docs" / "page.png").read_bytes().startswith(b"\x89PNG")
