"""Outputs of a prediction run besides its tables: the page, pictures, crops, XML files and JSON lines."""
