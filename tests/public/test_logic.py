"""The page without a browser: its logic, as `check-js` runs it beside types and lint, and its map."""

import os
import subprocess
from pathlib import Path

from tests.support.processes import ROOT, require


def test_the_pages_logic_holds() -> None:
    folder = Path(__file__).parent
    files = sorted(folder.glob("*.test.js"))
    # Node warns of JSON modules, and of ES modules beside no package.json.
    quiet = [
        "ExperimentalWarning",
        "MODULE_TYPELESS_PACKAGE_JSON",
    ]
    options = [f"--disable-warning={name}" for name in quiet]
    command = [require("node"), *options, "--test", *map(str, files)]
    env = os.environ | {"TZ": "UTC"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert files


def test_the_architecture_names_every_file_of_the_page() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    assert [file.name for file in (ROOT / "public").iterdir() if f"`{file.name}`" not in text] == []
