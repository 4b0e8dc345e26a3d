"""Git, dvc.lock, DVC's hashes and checksums: which data and code a result was made from."""
