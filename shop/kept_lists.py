"""Lists that are answered as they were, as long as nothing was committed since they were read."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from shop.answers import listed
from shop.json_body import JsonRoute

MAX_LISTS = 64  # that are kept ...
MAX_BYTES = 64 * 1024  # ... of at most so much each

Asked = tuple[str, bytes]  # path and query


class KeptLists:
    """The lists that were read of one state of the database: their JSON, and how long each is in all."""

    def __init__(self, version: Callable[[], object]) -> None:
        """Make them; `version` is that of the store."""
        self._version_now = version
        self._version: object = None
        self._lists: dict[Asked, tuple[bytes, str]] = {}

    def now(self) -> dict[Asked, tuple[bytes, str]]:
        """Return those that are true at this moment, to be added to."""
        version = self._version_now()
        if version is None or version != self._version:
            self._version, self._lists = version, {}
        return self._lists


class ListRoute(JsonRoute):
    """A route that reads a list: with `X-Total-Count`, of the database alone, the same for all who ask.

    What is kept is asked for before FastAPI reads the parameters, which takes longer than to read a short
    list.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answer what is kept, or read it."""
        read = super().get_route_handler()

        async def handle_list(request: Request) -> Response:
            lists: dict[Asked, tuple[bytes, str]] = request.app.state.lists.now()
            asked = (self.path, request.scope["query_string"])
            if asked in lists:
                return listed(*lists[asked])
            response = await read(request)
            body = bytes(response.body)
            if response.status_code == 200 and len(body) <= MAX_BYTES:
                if len(lists) >= MAX_LISTS:
                    del lists[next(iter(lists))]  # the oldest
                lists[asked] = body, response.headers["X-Total-Count"]
            return response

        return handle_list
