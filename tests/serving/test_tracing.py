"""What a span tells of a failure: a collector is no place for what may name customers."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.types import Receive, Scope, Send

from serving import tracing

pytestmark = pytest.mark.anyio


async def fails(_: Scope, __: Receive, ___: Send) -> None:
    with tracing.span("shop purchase"):
        raise ValueError("Failing row contains (小明, s3cret)")


async def test_a_span_tells_the_kind_of_a_failure_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(sent))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    request = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(ValueError, match="s3cret"):
        await tracing.Traced(fails)(request, receive, send)
    spans = sent.get_finished_spans()
    assert [span.name for span in spans] == ["shop purchase", "GET"]
    for span in spans:
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
        assert not span.events


async def receive() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def send(_: object) -> None: ...
