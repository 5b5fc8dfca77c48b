"""The image is really built, and its commands run in it; and the units of systemd are valid."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, free_port, require

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]
STORAGE = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # this machine's, by which packages are reached
COMMANDS = """
id -u
touch /app/x 2> /dev/null && echo writable
python api.py --port {0} & python main.py --port {1} & python web.py --port {2} &
for port in {0} {1} {2}; do
    for try in $(seq 60); do
        HEALTH_PORT=$port python -c "$PROBE" 2> /dev/null && echo well && break
        sleep 1
    done
done
python api.py check > /dev/null && echo checked
kill $(jobs -p)
wait
"""


def run(*command: str, timeout: int = 900) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | STORAGE,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the image on a Debian of its own; nothing is taken from a registry of images."""
    require("buildah")
    base = tmp_path_factory.mktemp("image") / "base"
    include = "--include=python3,python3-venv,ca-certificates"
    run(require("debootstrap"), "--variant=minbase", include, "bookworm", str(base))
    settings = []
    if AUTHORITIES.exists():
        (base / AUTHORITIES.relative_to("/")).write_bytes(AUTHORITIES.read_bytes())
        settings = [f"--env={name}={AUTHORITIES}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "add", container, str(base), "/")
    run("buildah", "config", *settings, container)
    run("buildah", "commit", "--rm", container, "localhost/product-mcp-base")
    named = "--build-arg=BASE=localhost/product-mcp-base"
    made = ("--isolation", "chroot", "--network", "host", "--format", "docker", named)
    run("buildah", "bud", *made, "-f", "deploy/Dockerfile", "-t", "localhost/product-mcp", ".")
    yield "localhost/product-mcp"
    run("buildah", "rmi", "--force", "localhost/product-mcp", "localhost/product-mcp-base")


def test_all_three_services_run_in_it_as_a_user_without_rights(image: str) -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    health = json.loads(re.findall(r"^ +CMD (\[.*\])", dockerfile, re.MULTILINE)[0])
    ports = [free_port() for _ in range(3)]
    container = run("buildah", "from", image).strip()
    try:
        inside = ("buildah", "run", "--network", "host", "--env", f"PROBE={health[-1]}", container, "--")
        said = run(*inside, "bash", "-c", COMMANDS.format(*ports), timeout=300).split("\n")
    finally:
        run("buildah", "rm", container)
    assert said[0] == "10001"
    assert "writable" not in said
    assert (said.count("well"), said.count("checked")) == (3, 1)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_valid_and_keeps_its_service_in(unit: Path) -> None:
    analyze = require("systemd-analyze")
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False
    )
    # The project is not installed there.
    assert [line for line in done.stderr.splitlines() if "is not executable" not in line] == []
    level = run(analyze, "security", "--offline=yes", str(unit)).strip().splitlines()[-1]
    assert float(re.findall(r"[\d.]+", level.partition("level")[2])[-1]) < 2
