"""What is imported is declared, what is declared is imported, and what is pulled in is pinned."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.house import pins
from tests.support.processes import ROOT
from tests.support.tree import DOORS, WINGS, files, imported, name, parsed

PROJECT = pins.project()
DISTRIBUTIONS = packages_distributions()
OURS = {
    *WINGS,
    *(door.removesuffix(".py") for door in DOORS),
    "tests",
    "benchmarks",
    "weather",
    "mcp_weather_http",
}
# Parts of a name that several packages share, the longest first.
SHARED = {
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry": "opentelemetry-api",
}
STARTED = {"uvicorn", "mcp"}  # with extras that are not imported


def declared(*lists: list[str]) -> set[str]:
    return {pins.distribution(line) for lines in lists for line in lines}


SUITE = declared(PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values())
DEV = SUITE | declared(PROJECT["dependency-groups"]["dev"])
WEATHER = declared(
    tomllib.loads((ROOT / "weather" / "pyproject.toml").read_text())["project"]["dependencies"]
)


def third_party(*under: str) -> dict[str, str]:
    """The packages that files below these folders import, each with one such file."""
    found = {}
    for path in files(".py"):
        if name(path).startswith(under):
            for module in imported(parsed(path)):
                top = module.split(".")[0]
                if top not in sys.stdlib_module_names | OURS:
                    shared = next((own for part, own in SHARED.items() if module.startswith(part)), "")
                    found[pins.distribution(shared or DISTRIBUTIONS.get(top, [top])[0])] = name(path)
    return found


@pytest.mark.parametrize(
    ("under", "allowed"),
    [
        ((*DOORS, *WINGS), SUITE),
        (("tests/",), DEV),
        (("benchmarks/",), DEV),
        (("weather/src/",), WEATHER),
        (("weather/tests/",), DEV | WEATHER),
    ],
    ids=["suite", "tests", "benchmarks", "weather", "weather's tests"],
)
def test_what_is_imported_is_declared(under: tuple[str, ...], allowed: set[str]) -> None:
    used = third_party(*under)
    assert {package: file for package, file in used.items() if package not in allowed} == {}


def test_what_the_suite_declares_it_imports() -> None:
    assert SUITE - third_party(*DOORS, *WINGS).keys() - STARTED == set()


def test_each_direct_dependency_is_pinned_and_says_its_job() -> None:
    lines = re.findall(
        r'^    "([\w\[\]-]+==[^"]+)",(.*)$', pins.LIST.sub("", pins.PYPROJECT.read_text()), re.MULTILINE
    )
    commented = {pins.distribution(requirement) for requirement, comment in lines if "#" in comment}
    postgres = declared(PROJECT["project"]["optional-dependencies"]["postgres"])
    assert DEV - commented - postgres == {"mcp-streamable-weather"}  # a part of this repository


def test_what_is_pulled_in_is_pinned_to_what_uv_resolves() -> None:
    if not pins.LOCK.exists():
        pytest.skip("there is no uv.lock: the first `uv run` writes it")
    pinned = PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert pinned == pins.resolved(PROJECT), f"`{pins.COMMAND}` renews the pins"
