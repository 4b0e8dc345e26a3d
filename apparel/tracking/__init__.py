"""MLflow runs: what a stage records, the process that sends it, and runs read back."""
