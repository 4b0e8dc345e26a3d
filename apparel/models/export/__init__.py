"""Exports of a trained detector, a module a format: each writes the weights, the post-processing and `Metadata`."""
