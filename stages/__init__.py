"""The five stages of dvc.yaml, one script each: `python -m stages.convert` runs one alone."""
