"""How the cost grows: `uv run --group bench python -m benchmarks.growth`."""
