"""The side-by-side measurements: `uv run python -m benchmarks`."""
