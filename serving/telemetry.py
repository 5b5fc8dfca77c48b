"""FastAPI's own telemetry, which stays off: it looks for providers several times a request."""

from fastapi.telemetry import TelemetryConfig

FASTAPIS_OWN = TelemetryConfig(tracing=False, metrics=False, logs=False)
