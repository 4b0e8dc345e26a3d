"""Data sets: import, split, near duplicates, TFRecord shards, and the drawn demo data set."""
