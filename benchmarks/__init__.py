"""The side-by-side measurements: `uv run --group bench python -m benchmarks`."""
