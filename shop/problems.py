"""The status of each of the shop's codes, and what the OpenAPI document says of it."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from serving.error_answers import ErrorAnswers, problem
from shop.errors import OutcomeUnknownError, StoreUnavailableError
from shop.sentences import STATUS_DESCRIPTIONS, failure_sentence, refusal_sentence

RETRY_AFTER_SECONDS = 1
SAME_FAULT_SECONDS = 60  # a fault that was not met for so long is over

ANSWERS = ErrorAnswers(
    refusal_sentence,
    {
        "empty_purchase": 400,
        "unknown_product": 404,
        "unknown_order": 404,
        "no_picture": 404,
        "archived": 410,
        "owner_only": 403,
        "out_of_stock": 400,
        "price_changed": 409,
        "key_reused": 422,
        "too_large": 413,
        "csv_too_large": 413,
        **dict.fromkeys(("csv_encoding", "csv_invalid", "csv_field", "catalog_empty"), 422),
    },
)

log = logging.getLogger(__name__)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of these statuses in the OpenAPI document."""
    return {status: problem(STATUS_DESCRIPTIONS[status]) for status in statuses}


def install(app: FastAPI) -> None:
    """Answer what the routes, the store and FastAPI raise."""
    ANSWERS.install(app)
    app.add_exception_handler(StoreUnavailableError, _Unavailable().answer)


class _Unavailable:
    """Answers while the database cannot be used, and logs a line for each fault, not for each request."""

    def __init__(self) -> None:
        self._struck: dict[str, float] = {}  # when each fault was last met

    async def answer(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, StoreUnavailableError)
        said, now = failure_sentence(error), time.monotonic()
        if now - self._struck.get(said, -math.inf) > SAME_FAULT_SECONDS:
            log.error("数据库不可用：%s", said)
        self._struck = {fault: at for fault, at in self._struck.items() if now - at < SAME_FAULT_SECONDS}
        self._struck[said] = now
        again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        if not isinstance(error, OutcomeUnknownError):
            return ANSWERS.answer(503, "database_unavailable", {}, again)
        # Without a key, to try again at once might buy twice.
        key = request.headers.get("Idempotency-Key")
        return unknown_outcome(key, again if key else None)


def unknown_outcome(key: str | None, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a purchase that may be placed, or not: sent again with its key it is found."""
    return ANSWERS.answer(503, "outcome_unknown", {"idempotencyKey": key} if key else {}, headers)
