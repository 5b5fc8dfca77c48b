"""The status of each of the shop's codes, and what the OpenAPI document says of it."""

import logging
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response

from serving.error_answers import ErrorAnswers, Problem
from serving.errors import sentence
from shop.errors import StoreUnavailableError
from shop.sentences import REFUSALS, STATUS_DESCRIPTIONS, failure_sentence

RETRY_AFTER_SECONDS = 1

ANSWERS = ErrorAnswers(
    partial(sentence, REFUSALS),
    {
        "empty_purchase": 400,
        "unknown_product": 404,
        "out_of_stock": 400,
        "price_changed": 409,
        "key_reused": 422,
        "too_large": 413,
    },
)

log = logging.getLogger(__name__)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of these statuses in the OpenAPI document."""
    return {status: {"model": Problem, "description": STATUS_DESCRIPTIONS[status]} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer what the routes, the store and FastAPI raise."""
    ANSWERS.install(app)
    app.add_exception_handler(StoreUnavailableError, _on_unavailable)


async def _on_unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreUnavailableError)
    log.error("数据库不可用：%s", failure_sentence(error))
    return ANSWERS.answer(503, "database_unavailable", {}, {"Retry-After": str(RETRY_AFTER_SECONDS)})
