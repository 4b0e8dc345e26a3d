"""Sweeps: what `apparel sweep` is made of."""
