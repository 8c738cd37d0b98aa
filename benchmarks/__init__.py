"""What a sweep costs, measured: `python -m benchmarks`."""
