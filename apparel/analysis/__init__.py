"""Inspection of data sets, recipes and runs of the pipeline, comparison, provenance and reruns of results."""
