"""The running service against its own OpenAPI document: no 500, no status that it does not name."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from models import person_name
from tests.support.processes import LONG_RUNS, Spawn, free_port

CONFIG = {
    # NUL is refused (tests/test_api.py); a JSON schema has no short way to say so.
    "generation": {"allow-x00": False},
    # A well-formed order may want more than there is, or have been told another total.
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "409"]}},
}
OPERATIONS = {
    "GET /api/products",
    "GET /api/inventory",
    "GET /api/orders",
    "GET /api/orders/summary",
    "GET /api/today",
    "GET /api/orders/{id}",
    "GET /api/orders.csv",
    "GET /api/products.csv",
    "PUT /api/products.csv",
    "POST /api/purchase",
    "GET /api/products/{id}",
    "GET /api/products/{id}/image",
    "POST /api/products",
    "PUT /api/products/{id}",
    "PATCH /api/products/{id}",
    "POST /api/inventory/{id}/moves",
    "GET /api/inventory/{id}/moves",
    "POST /api/orders/{id}/cancel",
    "GET /healthz",
}
FILE = "PUT /api/products.csv"  # a JSON schema cannot tell which text is a file of products
WITHOUT_PARAMETERS = {"GET /healthz", "GET /api/today", "GET /api/products.csv", FILE}
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
AnyCase = schemathesis.Case[Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with Spawn(tmp_path_factory.mktemp("shop")) as spawn:
        spawn("api.py", "--port", str(port)).wait_until_up(f"{url}/healthz")
        config = SchemathesisConfig.from_dict(CONFIG)
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)


def _is_fraction(name: str, value: Any) -> bool:
    """Whether it is a whole number written as 2.0."""
    return isinstance(value, float) and name in {"productId", "quantity", "change"}


def is_within_the_documents_reach(case: AnyCase, mode: GenerationMode) -> bool:
    """Leave out what a JSON schema cannot tell apart; tests/test_api.py has these as bad input."""
    if mode is GenerationMode.NEGATIVE:
        return len(str(case.query)) < 30_000  # beyond 64 KiB of URL the HTTP server itself says no
    backwards = {"since", "until"} <= set(case.query or {})  # a period may end before it begins
    reused = "Idempotency-Key" in (case.headers or {})  # a key may have been used before
    body: Any = case.body
    parts = [body, *body.get("items", [])] if isinstance(body, dict) else []
    fractions = [part for part in parts for name, value in part.items() if _is_fraction(name, value)]
    words = (body.get("keywords") or []) if isinstance(body, dict) else []
    broken = any({"\r", "\n"} & set(word) for word in words)  # a keyword is one line
    name = body.get("name") if isinstance(body, dict) else None
    unseen = isinstance(name, str) and not person_name(name)  # of a product: there must be something to see
    return not (backwards or reused or fractions or broken or unseen)


def ending_operations(
    document: schemathesis.BaseSchema,
) -> list[schemathesis.APIOperation[Any, Any, Any, Any]]:
    """All but the stream of changes, whose answer does not end (tests/shop/test_changes.py)."""
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    return [operation for operation in operations if operation.label != "GET /api/changes"]


def checked(operation: Operation, mode: GenerationMode) -> str:
    @settings(
        max_examples=100 if LONG_RUNS else 8,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: AnyCase) -> None:
        assume(is_within_the_documents_reach(case, mode))
        case.call_and_validate(excluded_checks=[positive_data_acceptance] if operation.label == FILE else [])

    check()
    return operation.label


def test_the_service_keeps_to_its_document(document: schemathesis.BaseSchema) -> None:
    operations = ending_operations(document)
    assert {checked(operation, GenerationMode.POSITIVE) for operation in operations} == OPERATIONS


def test_what_the_document_forbids_is_refused(document: schemathesis.BaseSchema) -> None:
    operations = ending_operations(document)
    fallible = [operation for operation in operations if operation.label not in WITHOUT_PARAMETERS]
    refused = {checked(operation, GenerationMode.NEGATIVE) for operation in fallible}
    assert refused == OPERATIONS - WITHOUT_PARAMETERS
