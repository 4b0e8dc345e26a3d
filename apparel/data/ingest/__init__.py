"""Import of data sets and pretrained weights from folders, archives and git repositories."""
