"""Data sets in which order counts: texts and time series, cut into windows and split by position."""
