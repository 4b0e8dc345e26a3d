"""The synthetic data set `demo`: photos of garments, drawn by this project."""
