"""What a process counts, as Prometheus reads it (text format 0.0.4).

Not by `prometheus_client`: to import it takes a tenth of a second of each service's start, for a table of
numbers. One process is one target: each counts for itself, and Prometheus adds up.
"""

import logging
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from time import perf_counter
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.logs import Seldom

METRICS_PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 1_000  # of one metric; what comes later is counted together
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
Labels = tuple[str, ...]
Samples = Iterable[tuple[str, Mapping[str, str], float]]

log = logging.getLogger(__name__)


@dataclass
class Metric:
    """Numbers under one name, told apart by labels."""

    name: str
    about: str
    labels: Labels = ()
    kind: ClassVar[str]
    known: ClassVar[dict[str, "Metric"]] = {}

    def __post_init__(self) -> None:
        self.known[self.name] = self

    def samples(self) -> Samples:
        """Return the numbers, each with what is added to the name and its labels."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the metric as Prometheus reads it."""
        lines = [f"# HELP {self.name} {self.about}", f"# TYPE {self.name} {self.kind}"]
        for suffix, labels, value in self.samples():
            named = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels.items())
            lines.append(f"{self.name}{suffix}{named and f'{{{named}}}'} {value!r}")
        return "\n".join(lines) + "\n"

    def _named(self, labels: Labels) -> dict[str, str]:
        return dict(zip(self.labels, labels, strict=True))

    def _bounded(self, labels: Labels, series: Mapping[Labels, object]) -> Labels:
        return labels if labels in series or len(series) < MAX_SERIES else (OTHER,) * len(self.labels)


@dataclass
class Counter(Metric):
    """What only grows."""

    kind = "counter"
    _values: dict[Labels, int] = field(default_factory=dict)

    def add(self, *labels: str) -> None:
        """Count one."""
        labels = self._bounded(labels, self._values)
        self._values[labels] = self._values.get(labels, 0) + 1

    def samples(self) -> Samples:
        """Return how often each was counted."""
        return [("", self._named(labels), value) for labels, value in self._values.items()]


@dataclass
class Histogram(Metric):
    """How often a value was at most so large."""

    kind = "histogram"
    bounds: tuple[float, ...] = SECONDS
    _series: dict[Labels, tuple[list[int], list[float]]] = field(default_factory=dict)

    def observe(self, value: float, *labels: str) -> None:
        """Count a value."""
        labels = self._bounded(labels, self._series)
        counts, total = self._series.setdefault(labels, ([0] * (len(self.bounds) + 1), [0.0]))
        counts[bisect_left(self.bounds, value)] += 1
        total[0] += value

    @contextmanager
    def timed(self, *labels: str) -> Iterator[None]:
        """Count the seconds that the context lasts."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.observe(perf_counter() - begun, *labels)

    def samples(self) -> Samples:
        """Return each bucket with all that are smaller, the sum and the number."""
        ends = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        for key, (counts, total) in self._series.items():
            labels = self._named(key)
            for end, reached in zip(ends, accumulate(counts), strict=True):
                yield "_bucket", {**labels, "le": end}, reached
            yield "_sum", labels, total[0]
            yield "_count", labels, sum(counts)


@dataclass
class Gauge(Metric):
    """What is so now: it is asked for when somebody looks, while there is somebody to ask."""

    kind = "gauge"
    _readers: list[Callable[[], Mapping[Labels, float]]] = field(default_factory=list)

    @contextmanager
    def told_by(self, read: Callable[[], Mapping[Labels, float]]) -> Iterator[None]:
        """Ask this as well, as long as the context lasts."""
        self._readers.append(read)
        try:
            yield
        finally:
            self._readers.remove(read)

    def samples(self) -> Samples:
        """Return what each says."""
        return [("", self._named(key), value) for read in self._readers for key, value in read().items()]


REQUESTS = Counter("http_requests_total", "HTTP requests answered.", ("method", "route", "status"))
DURATIONS = Histogram(
    "http_request_duration_seconds", "From a request's head to its answer's head.", ("route",)
)
CONNECTIONS = Gauge("http_connections", "Connections that are open.")
REFUSALS = Counter("refusals_total", "Requests and calls that were refused, by code.", ("code",))
SELDOM = Seldom()


def refused(code: str) -> None:
    """Count a refusal, and log one of its kind a minute."""
    REFUSALS.add(code)
    if SELDOM.is_due(code):
        more = SELDOM.silent(code)
        log.info("拒绝了请求：%s%s", code, f"（上一行之后还有 {more} 次）" if more else "")


def _escaped(label: str) -> str:
    seen = label.encode(errors="backslashreplace").decode()  # UTF-8 has no lone surrogates
    return seen.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


async def metrics(_: Request) -> PlainTextResponse:
    """Answer with all that this process counts."""
    return PlainTextResponse("".join(each.text() for each in Metric.known.values()), media_type=CONTENT_TYPE)


class Counted:
    """Middleware that counts requests by their route, so that no address of a client's making is a label."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        begun = perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", OTHER)
                method = scope["method"] if scope["method"] in METHODS else OTHER
                REQUESTS.add(method, route, str(message["status"]))
                DURATIONS.observe(perf_counter() - begun, route)
            await send(message)

        return self._app(scope, receive, counted)
