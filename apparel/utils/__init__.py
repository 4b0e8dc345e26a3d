"""Files, CSV tables, file locks and processes: nothing here knows of garments."""
