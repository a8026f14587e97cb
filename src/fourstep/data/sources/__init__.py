"""Data sets from what holds arrays: files of them, and data sets of other packages."""
