"""Average precision, curves, confusion matrix, bootstrap intervals and the result page."""
