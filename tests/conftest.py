"""Fixtures that several test files share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.processes import Service, Spawn
from tests.support.suite import Suite

# A busy machine is slow, which says nothing of the code.
settings.register_profile("product-mcp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("product-mcp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the page's tests last: Playwright keeps its event loop running, beside which no other can run."""
    items.sort(key=lambda item: item.path.parent.name == "public")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the services do."""
    return "asyncio"


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Give a function that starts a service; all that it started ends with the test."""
    started: list[Service] = []

    def start(file: str, *args: str, env: dict[str, str] | None = None) -> Service:
        service = Service.start(tmp_path, file, *args, env=env)
        started.append(service)
        return service

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def suite(tmp_path: Path, spawn: Spawn) -> Suite:
    """Give the three services, to be started on free ports in the test's temporary folder."""
    return Suite(tmp_path, spawn)
