"""MLflow runs: what a stage records, and the process that sends it."""
