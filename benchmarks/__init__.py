"""Benchmarks of the stages tfrecord and train and of sweeps: `python -m benchmarks`."""
