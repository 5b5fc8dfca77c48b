"""Sends spans to a collector: all that needs the extra `otel` is here."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

EXPORT_SECONDS = 2.0  # a collector that does not answer keeps no service from stopping


def sends(endpoint: str, service: str) -> TracerProvider:
    """Return what makes spans of a service and sends them, by OTLP over HTTP, now and then and at the end."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
