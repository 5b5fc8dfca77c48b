"""Fixtures that several test files share."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from serving import logs
from tests.support.engines import remove_postgres
from tests.support.processes import LONG_RUNS, Spawn
from tests.support.suite import Suite

if sys.platform == "linux":
    from tests.support import forked

# Nothing that runs here remembers anything in the user's own folder.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="product-mcp-state-")

# What tests start again and again is compiled once, also where the environment says to keep nothing compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A busy machine is slow, which says nothing of the code.
settings.register_profile(
    "product-mcp",
    max_examples=1_000 if LONG_RUNS else 50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("product-mcp")


def pytest_xdist_auto_num_workers() -> int:
    """Return more workers than cores: half of the time a test waits for a process or a browser."""
    return (os.cpu_count() or 1) * 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the page's tests last: Playwright keeps its event loop running, beside which no other can run.

    Each of xdist's workers is given its tests in this order.
    """
    items.sort(key=lambda item: item.path.parent.name == "public")


def pytest_sessionfinish() -> None:
    """Remove what the tests of this process share, while xdist still waits for it."""
    remove_postgres()
    if sys.platform == "linux":
        forked.end()


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """Give loggers their levels back: reading a service's settings sets them for the whole process."""
    loggers = [logging.getLogger(name) for name in logs.QUIET]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the services do."""
    return "asyncio"


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Give a function that starts a service in the test's folder; all that it started ends with the test."""
    with Spawn(tmp_path) as spawn:
        yield spawn


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Give the three services, to be started on free ports in the test's folder."""
    with Suite(tmp_path) as suite:
        yield suite
