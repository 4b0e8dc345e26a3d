"""The stages of dvc.yaml, and draw for the demo, one script each: `python -m stages.convert` runs one alone."""
