"""How the cost grows: `uv run python -m benchmarks.growth`."""
