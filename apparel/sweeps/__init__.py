"""Sweeps: what `python -m apparel sweep` is made of."""
