"""Names that no class may have, since tables of results use them."""

BACKGROUND = "background"
"""The row and the column of the confusion matrix for what no box covers."""

ALL = "all classes"
"""The last row of the per-class table: means of the figures, sums of the counts."""

RECALL = "recall"
"""The first column of the table of curves, before those of the classes."""

RESERVED = (BACKGROUND, ALL, RECALL)
"""No class may have one of these names."""
