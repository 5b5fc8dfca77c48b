"""The files of `deploy/` name what there is: settings, rooms, services."""

import re
from pathlib import Path

import pytest

import api
import main
import web
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
SETTINGS = {name.upper() for door in (api, main, web) for name in door.Settings.model_fields}
NO_SETTINGS = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "PUBLIC_HOST", "HEALTH_PORT"}
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def test_every_setting_that_is_named_exists() -> None:
    texts = [(DEPLOY / "compose.yaml").read_text(), *(unit.read_text() for unit in UNITS)]
    texts.append((ROOT / "docs" / "deploy.md").read_text())
    named = re.compile(r"^ +([A-Z_]+): |\$\{([A-Z_]+)|(?<![$\w])([A-Z]+_[A-Z_]+)=", re.MULTILINE)
    found = {name for text in texts for names in named.findall(text) for name in names if name}
    assert found - SETTINGS - NO_SETTINGS == set()
    assert len(found & SETTINGS) > 15


def test_the_image_holds_every_room() -> None:
    copied = (DEPLOY / "Dockerfile").read_text()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    doors = {path.name for path in ROOT.glob("*.py")}
    assert packages
    assert [
        name for name in (*packages, *doors) if not re.search(rf"^COPY .*\b{name}\b", copied, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_gives_its_service_the_time_to_end(unit: Path) -> None:
    text = unit.read_text()
    given = dict(re.findall(r"\b(DRAIN_SECONDS|STOP_TIMEOUT|TimeoutStopSec)=(\d+)", text))
    assert int(given["TimeoutStopSec"]) >= int(given["DRAIN_SECONDS"]) + int(given["STOP_TIMEOUT"]) + 2
