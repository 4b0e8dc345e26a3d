"""The demo data set, drawn by the project itself."""
