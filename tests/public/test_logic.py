"""The page's logic without a browser: what `check-js` runs beside types and lint."""

import subprocess
from pathlib import Path

from tests.support.processes import require


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
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert files
