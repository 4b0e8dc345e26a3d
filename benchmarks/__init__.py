"""Benchmarks, and coverage of intervals: `python -m benchmarks`."""
