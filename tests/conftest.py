"""Fixtures that several test files share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import Service


# A busy machine is slow, which says nothing of the code.
settings.register_profile("product-mcp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("product-mcp")


class Spawn(Protocol):
    """Starts one of our files as a process, in the test's temporary folder."""

    def __call__(self, file: str, *args: str, env: dict[str, str] | None = None) -> Service: ...


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
